"""How well and how fast redaction works: tables, then one line of JSON.

    .venv/bin/python bench/redaction [-v] [data folder]

Coverage: labelled characters that were masked. Precision: masked characters that were labelled.
The six structured types are measured with the opt-in address rules switched on, speed with all
rules on. `-v` shows every miss and every false positive.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import cases
import quality
import speed

from services.ingest.redact import Redactor, builtin_rules

DATA = Path(__file__).parents[3] / "shared/data"
STDLIB_KINDS = {"phone": "PHONE_NUMBER", "ssn": "US_SSN", "card": "CREDIT_CARD"}


def main(folder: Path, *, verbose: bool) -> int:
    """Prints the tables and the line of JSON."""
    needed = (quality.SENTENCES, cases.LITERALS, cases.PHONES, cases.SECRETS)
    if absent := [path for path in needed if not (folder / path).exists()]:
        sys.stderr.write(
            f"Quality is measured on labelled texts that are not in {folder}: "
            f"{', '.join(map(str, absent))}. Name the folder: bench/redaction FOLDER\n"
        )
        return 2
    measured, source = quality.measure(folder), quality.measure_stdlib()
    tallies = cases.measure(folder)
    if verbose:
        print(*measured.notes, *source.notes, sep="\n")
        print(*(note for tally in tallies.values() for note in tally.notes), sep="\n")
    _print_quality(measured, source)
    _print_cases(tallies)
    speeds = _speeds(folder)
    _print_speeds(speeds)
    print(json.dumps(_summary(measured, source, speeds)))
    return 0


def _print_quality(measured: quality.Quality, source: quality.SourceHits) -> None:
    print(f"{'entity':32} {'labelled':>9} {'coverage':>9} {'precision':>10}")
    for entity, count in measured.entities.items():
        print(f"{entity:32} {count.labelled:9} {count.coverage:9.4f} {count.precision:10.4f}")
    cards, total = measured.valid_cards, measured.total
    print(f"{'  cards whose check digit is good':32} {cards.labelled:9} {cards.coverage:9.4f}")
    print(f"{'all six':32} {total.labelled:9} {total.coverage:9.4f} {total.precision:10.4f}")
    print(f"\nfalse positives per MB of {source.megabytes:.1f} MB of Python's standard library")
    for kind, entity in STDLIB_KINDS.items():
        print(f"{kind:32} {source.per_mb(entity):9.3f}")


def _print_cases(tallies: dict[str, cases.Tally]) -> None:
    print(f"\n{'other tests':32} {'private':>9} {'masked':>9} {'harmless':>10} {'left alone':>11}")
    for kind, one in tallies.items():
        print(f"{kind:32} {one.private:9} {one.masked:9} {one.harmless:10} {one.untouched:11}")


def _speeds(folder: Path) -> dict[str, float]:
    chat, real = [speed.chat_payload()], speed.exchanges(folder)
    rules = [replace(rule, enabled=True) for rule in builtin_rules()]
    scan = Redactor(rules).scan
    return {
        "sealbook": speed.mb_per_s(scan, chat),
        "one alternation of re": speed.mb_per_s(speed.alternation(rules), chat),
        "Presidio": speed.mb_per_s(speed.presidio(phone=True), chat),
        "Presidio without phone numbers": speed.mb_per_s(speed.presidio(phone=False), chat),
        f"sealbook, {len(real)} real exchanges": speed.mb_per_s(scan, real),
    }


def _print_speeds(speeds: dict[str, float]) -> None:
    print(f"\n{'a chat payload of 4 KB, one core':32} {'MB/s':>9}")
    for name, value in speeds.items():
        print(f"{name:32} {value:9.1f}")


def _summary(
    measured: quality.Quality, source: quality.SourceHits, speeds: dict[str, float]
) -> dict[str, object]:
    phone, total = measured.entities["PHONE_NUMBER"], measured.total
    return {
        "coverage": round(total.coverage, 4),
        "precision": round(total.precision, 4),
        "phone_coverage": round(phone.coverage, 4),
        "phone_precision": round(phone.precision, 4),
        "stdlib_fp_per_mb": {
            kind: round(source.per_mb(entity), 3) for kind, entity in STDLIB_KINDS.items()
        },
        "mb_per_s": round(speeds["sealbook"], 1),
        "re_mb_per_s": round(speeds["one alternation of re"], 1),
        "presidio_mb_per_s": round(speeds["Presidio"], 1),
    }


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "-v"]
    sys.exit(main(Path(arguments[0]) if arguments else DATA, verbose="-v" in sys.argv))
