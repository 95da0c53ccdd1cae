"""Quality on labelled sentences (presidio-research), and false positives on source code."""

import json
import re
import sysconfig
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stdnum import luhn

from services.ingest.redact import Redactor, Rule, builtin_rules

SENTENCES = Path("redaction/presidio-research/synth_dataset_v2.json")
ENTITIES = {
    "EMAIL_ADDRESS": ("email",),
    "US_SSN": ("us_ssn", "us_ssn_near_word"),
    "CREDIT_CARD": ("credit_card", "credit_card_near_word"),
    "PHONE_NUMBER": ("phone", "phone_near_word"),
    "IBAN_CODE": ("iban",),
    "IP_ADDRESS": ("ipv4", "ipv6"),
}
_ENTITY_OF = {name: entity for entity, names in ENTITIES.items() for name in names}


@dataclass(slots=True)
class Count:
    """Characters that were labelled, those of them masked; masked, those of them labelled."""

    labelled: int = 0
    covered: int = 0
    masked: int = 0
    right: int = 0

    @property
    def coverage(self) -> float:
        return self.covered / self.labelled if self.labelled else 1.0

    @property
    def precision(self) -> float:
        return self.right / self.masked if self.masked else 1.0

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.labelled + other.labelled,
            self.covered + other.covered,
            self.masked + other.masked,
            self.right + other.right,
        )


@dataclass(slots=True)
class Quality:
    """A count per entity, the labelled cards with a good check digit apart, and what went wrong."""

    entities: dict[str, Count] = field(default_factory=lambda: {name: Count() for name in ENTITIES})
    valid_cards: Count = field(default_factory=Count)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> Count:
        return sum(self.entities.values(), Count())


def rules(*, opt_in: bool) -> list[Rule]:
    """The rules of the structured types; with `opt_in` those for addresses are on."""
    return [
        replace(rule, enabled=rule.enabled or opt_in)
        for rule in builtin_rules()
        if rule.name in _ENTITY_OF
    ]


def measure(folder: Path) -> Quality:
    """Coverage and precision on the labelled sentences."""
    redactor = Redactor(rules(opt_in=True))
    quality = Quality()
    for row in json.loads((folder / SENTENCES).read_text()):
        _measure_one(redactor, row, quality)
    return quality


def _measure_one(redactor: Redactor, row: dict[str, Any], quality: Quality) -> None:
    text, masked, labelled = row["full_text"], {}, {}
    for span in row["spans"]:
        inside = range(span["start_position"], span["end_position"])
        labelled.update(dict.fromkeys(inside, span["entity_type"]))
    for found in redactor.explain(text):
        inside = range(found.start, found.end)
        masked.update(dict.fromkeys(inside, _ENTITY_OF[found.rule]))
        if not all(labelled.get(at) in ENTITIES for at in inside):
            quality.notes.append(f"over {found.rule:16} {text[found.start : found.end]!r}")
    for at, entity in masked.items():
        quality.entities[entity].masked += 1
        quality.entities[entity].right += labelled.get(at) in ENTITIES
    for span in row["spans"]:
        if span["entity_type"] in ENTITIES:
            _count_labelled(span, text, masked, quality)


def _count_labelled(
    span: dict[str, Any], text: str, masked: dict[int, str], quality: Quality
) -> None:
    entity, value = span["entity_type"], span["entity_value"]
    inside = range(span["start_position"], span["end_position"])
    covered = sum(at in masked for at in inside)
    counts = [quality.entities[entity]]
    if entity == "CREDIT_CARD" and luhn.is_valid(re.sub("[ -]", "", value)):
        counts.append(quality.valid_cards)
    for count in counts:
        count.labelled += len(inside)
        count.covered += covered
    if covered < len(inside):
        before = text[max(0, inside.start - 30) : inside.start]
        quality.notes.append(f"miss {entity:16} {value!r} after {before!r}")


@dataclass(slots=True)
class SourceHits:
    """What the rules that are on by default hit in source code, where nothing is private."""

    megabytes: float = 0.0
    hits: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def per_mb(self, entity: str) -> float:
        return self.hits[entity] / self.megabytes


def measure_stdlib() -> SourceHits:
    """False positives on the Python standard library's source."""
    root = Path(sysconfig.get_path("stdlib"))
    redactor, found = Redactor(rules(opt_in=False)), SourceHits()
    for path in sorted(root.rglob("*.py")):
        if {"site-packages", "test", "tests"} & set(path.relative_to(root).parts):
            continue
        text = path.read_text(errors="replace")
        found.megabytes += len(text.encode()) / 1e6
        for one in redactor.explain(text):
            entity = _ENTITY_OF[one.rule]
            found.hits[entity] += 1
            if entity != "EMAIL_ADDRESS":  # the authors' real ones
                found.notes.append(f"{path.name}: {one.rule} {text[one.start : one.end]!r}")
    return found
