"""How well and how fast redaction works: a table per entity, then one line of JSON.

    PYTHONPATH=shared:. .venv/bin/python bench/redaction.py [data folder]

Coverage: labelled characters that were masked. Precision: masked characters that were labelled.
The six structured types are measured with the opt-in address rules switched on.
"""

import json
import re
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.ingest.redact import Redactor, Rule, builtin_rules
from services.ingest.redact.leaf import LeafScanner
from services.ingest.redact.rule import compile_rule

DATA = Path(__file__).parents[2] / "shared/data"
ENTITIES = {
    "EMAIL_ADDRESS": ("email",),
    "US_SSN": ("us_ssn", "us_ssn_near_word"),
    "CREDIT_CARD": ("credit_card", "credit_card_near_word"),
    "PHONE_NUMBER": ("phone", "phone_near_word"),
    "IBAN_CODE": ("iban",),
    "IP_ADDRESS": ("ipv4", "ipv6"),
}
STDLIB_KINDS = {"phone": "PHONE_NUMBER", "ssn": "US_SSN", "card": "CREDIT_CARD"}


class Spans:
    """Where a set of rules masks a text, by asking for the spans the redactor would splice."""

    def __init__(self, rules: list[Rule]) -> None:
        self._names = [rule.name for rule in rules]
        self._scanner = LeafScanner([compile_rule(rule) for rule in rules], deadline_ms=10_000)

    def of(self, text: str) -> list[tuple[int, int, str]]:
        """Character spans and rule names."""
        data = text.encode()
        return [
            (len(data[:start].decode()), len(data[:end].decode()), self._names[index])
            for start, end, index in self._scanner.spans(data)
        ]


def quality(folder: Path) -> tuple[dict[str, tuple[int, int, int, int]], list[str]]:
    """Per entity: labelled, covered, masked, and rightly masked characters; and what was missed."""
    rows = json.loads((folder / "redaction/presidio-research/synth_dataset_v2.json").read_text())
    spans = Spans([rule for rule in all_rules() if rule.name in measured()])
    entity_of = {name: entity for entity, names in ENTITIES.items() for name in names}
    counts = {entity: [0, 0, 0, 0] for entity in ENTITIES}
    notes = []
    for row in rows:
        text = row["full_text"]
        labelled: dict[int, str] = {}
        masked: dict[int, str] = {}
        for span in row["spans"]:
            for at in range(span["start_position"], span["end_position"]):
                labelled[at] = span["entity_type"]
        for start, end, name in spans.of(text):
            masked.update(dict.fromkeys(range(start, end), entity_of[name]))
            if not all(labelled.get(at) in ENTITIES for at in range(start, end)):
                notes.append(f"over {name:16} {text[start:end]!r}")
        for at, entity in labelled.items():
            if entity in ENTITIES:
                counts[entity][0] += 1
                counts[entity][1] += at in masked
        for at, entity in masked.items():
            counts[entity][2] += 1
            counts[entity][3] += labelled.get(at) in ENTITIES
        for span in row["spans"]:
            inside = range(span["start_position"], span["end_position"])
            if span["entity_type"] in ENTITIES and not all(at in masked for at in inside):
                before = text[max(0, inside.start - 30) : inside.start]
                notes.append(
                    f"miss {span['entity_type']:16} {span['entity_value']!r} after {before!r}"
                )
    return {entity: (a, b, c, d) for entity, (a, b, c, d) in counts.items()}, notes


def stdlib_hits() -> tuple[Counter[str], float, list[str]]:
    """Hits by entity on the Python standard library's source, its size in MB, and the hits."""
    root = Path(sysconfig.get_path("stdlib"))
    spans = Spans([rule for rule in builtin_rules() if rule.name in measured() and rule.enabled])
    entity_of = {name: entity for entity, names in ENTITIES.items() for name in names}
    hits: Counter[str] = Counter()
    found, size = [], 0
    for path in sorted(root.rglob("*.py")):
        if {"site-packages", "test", "tests"} & set(path.relative_to(root).parts):
            continue
        text = path.read_text(errors="replace")
        size += len(text.encode())
        for start, end, name in spans.of(text):
            hits[entity_of[name]] += 1
            found.append(f"{path.name}: {name} {text[start:end]!r}")
    return hits, size / 1e6, found


def payloads(folder: Path, size: int = 4096) -> list[object]:
    """Real exchanges of about `size` bytes, as decoded documents."""
    chosen: list[object] = []
    for line in (folder / "exchanges/provider-exchanges.jsonl").read_text().splitlines():
        exchange = json.loads(line)
        document = {key: exchange.get(key) for key in ("request", "response")}
        if size // 2 <= len(json.dumps(document)) <= size * 2:
            chosen.append(document)
    return chosen


def chat_payload(size: int = 4096) -> dict[str, object]:
    """A chat request of `size` bytes of ordinary prose, with one address in its last turn."""
    prose = (Path(sysconfig.get_path("stdlib")) / "argparse.py").read_text()
    prose = " ".join(re.findall(r"[A-Za-z]+[.,]?", prose))
    turns = [prose[at : at + 380] for at in range(0, size - 380, 420)]
    messages = [{"role": "user", "content": turn} for turn in turns]
    messages.append({"role": "user", "content": "Please write to ada@example.org about it."})
    return {"model": "gpt-4o-mini", "messages": messages, "temperature": 0.2}


def speed(
    scan: Callable[[Any], object], documents: Sequence[object], seconds: float = 2.0
) -> float:
    """MB of JSON per second of CPU."""
    size = sum(len(json.dumps(document).encode()) for document in documents)
    rounds, start = 0, time.process_time()
    while time.process_time() - start < 2.0:
        for document in documents:
            scan(document)
        rounds += 1
    return size * rounds / (time.process_time() - start) / 1e6


def re_scanner() -> Callable[[Any], object]:
    """What one would write first: all patterns in one alternation of the standard `re`."""
    patterns = [rule.pattern for rule in builtin_rules() if rule.enabled]
    one = re.compile("|".join(f"(?:{_for_re(pattern)})" for pattern in patterns))

    def scan(value: object) -> object:
        if isinstance(value, str):
            return one.sub("[X]", value)
        if isinstance(value, list):
            return [scan(item) for item in value]
        if isinstance(value, dict):
            return {scan(key): scan(item) for key, item in value.items()}
        return value

    return scan


def _for_re(pattern: str) -> str:
    pattern = re.sub(r"\\x\{([0-9A-F]+)\}", lambda m: rf"\u{int(m[1], 16):04x}", pattern)
    pattern = pattern.replace(r"\p{Latin}\p{Greek}\p{Cyrillic}", "À-ӿ")
    inline = re.match(r"\(\?i\)", pattern)
    return f"(?i:{pattern[4:]})" if inline else pattern


def all_rules() -> list[Rule]:
    """Built-in rules with the opt-in address rules on."""
    opt_in = {"ipv4", "ipv6"}
    return [replace(r, enabled=r.enabled or r.name in opt_in) for r in builtin_rules()]


def measured() -> set[str]:
    """Names of the rules for the structured types."""
    return {name for names in ENTITIES.values() for name in names}


def main(folder: Path, *, verbose: bool) -> None:
    """Prints the tables and the line of JSON."""
    counts, notes = quality(folder)
    hits, megabytes, found = stdlib_hits()
    if verbose:
        print(*notes, *found, sep="\n")
    print(f"{'entity':16} {'labelled':>9} {'coverage':>9} {'precision':>10}")
    for entity, (labelled, covered, masked, right) in counts.items():
        row = (_ratio(covered, labelled), _ratio(right, masked))
        print(f"{entity:16} {labelled:9} {row[0]:9.4f} {row[1]:10.4f}")
    total = [sum(column) for column in zip(*counts.values(), strict=True)]
    phone = counts["PHONE_NUMBER"]
    scan = Redactor(builtin_rules()).scan
    chat = [chat_payload()]
    real = payloads(folder)
    summary = {
        "coverage": round(_ratio(total[1], total[0]), 4),
        "precision": round(_ratio(total[3], total[2]), 4),
        "phone_coverage": round(_ratio(phone[1], phone[0]), 4),
        "phone_precision": round(_ratio(phone[3], phone[2]), 4),
        "stdlib_fp_per_mb": {
            kind: round(hits[entity] / megabytes, 3) for kind, entity in STDLIB_KINDS.items()
        },
        "mb_per_s": round(speed(scan, chat), 1),
        "re_mb_per_s": round(speed(re_scanner(), chat), 1),
    }
    print(f"real exchanges of 2 to 8 KB ({len(real)}): {speed(scan, real):.1f} MB/s")
    print(json.dumps(summary))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "-v"]
    main(Path(arguments[0]) if arguments else DATA, verbose="-v" in sys.argv)
