"""Labelled literals of other projects' tests: is what is private masked, the rest left alone?

A literal counts as masked when all its letters and digits are; a line with a secret, when anything
in it is. Those tests ask other questions than ours (a library that validates addresses knows
that it is given one), so that these rows say where we differ and are no targets.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from stdnum import luhn

from services.ingest.redact import Redactor, builtin_rules

LITERALS = Path("redaction/commons-validator/cases.json")
PHONES = Path("redaction/libphonenumber/matcher_cases.json")
SECRETS = Path("redaction/detect-secrets/cases.json")


class Case(NamedTuple):
    """One labelled text; `whole` when the text is nothing but the value."""

    kind: str
    text: str
    private: bool
    whole: bool


@dataclass(slots=True)
class Tally:
    """Of the private texts of a kind, how many were masked; of the others, how many left alone."""

    private: int = 0
    masked: int = 0
    harmless: int = 0
    untouched: int = 0
    notes: list[str] = field(default_factory=list)


def measure(folder: Path) -> dict[str, Tally]:
    """A tally per kind, with the opt-in rules for addresses switched on."""
    opt_in = {"ipv4", "ipv6"}
    rules = [replace(r, enabled=r.enabled or r.name in opt_in) for r in builtin_rules()]
    redactor, tallies = Redactor(rules), dict[str, Tally]()
    for case in _cases(folder):
        tally = tallies.setdefault(case.kind, Tally())
        findings = redactor.explain(case.text)
        masked = {at for one in findings for at in range(one.start, one.end)}
        if case.private:
            tally.private += 1
            tally.masked += (hit := _is_masked(case, masked))
        else:
            tally.harmless += 1
            tally.untouched += (hit := not masked)
        if not hit:
            tally.notes.append(f"{'miss' if case.private else 'over'} {case.kind:24} {case.text!r}")
    return tallies


def _is_masked(case: Case, masked: set[int]) -> bool:
    if not case.whole:
        return bool(masked)
    return all(at in masked for at, char in enumerate(case.text) if char.isalnum())


def _cases(folder: Path) -> Iterator[Case]:
    for row in json.loads((folder / LITERALS).read_text()):
        valid = _validity(row)
        if valid is not None:
            yield Case(f"{row['kind']} literals", row["text"], valid, whole=True)
    for row in json.loads((folder / PHONES).read_text()):
        if row["matches_at_leniency"] != "POSSIBLE":
            private = row["matches_at_leniency"] != "never"
            yield Case("phone literals", row["text"], private, whole=True)
    for row in json.loads((folder / SECRETS).read_text()):
        text = row["row"].get("payload", row["row"].get("line"))
        if text is not None and "should_flag" in row["row"]:
            yield Case("lines with secrets", text, row["row"]["should_flag"], whole=False)


def _validity(row: dict[str, Any]) -> bool | None:
    """Whether a literal is what its kind says, as far as the test knows."""
    if row.get("fn") == "isValidDomain":
        return None
    valid: bool | None = row.get("valid")
    if row["kind"] == "card":
        if "name" in row:
            valid = {"VALID": True, "ERROR": False}.get(row["name"].partition("_")[0])
        # Many are tested against the pattern of one scheme: a good card of another is called
        # wrong, one without a good check digit right.
        return valid if luhn.is_valid(row["text"]) is valid else None
    return valid
