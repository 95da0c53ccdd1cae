"""Speed: megabytes of JSON per second of CPU, on one core, of several ways to redact."""

import json
import re
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from presidio_analyzer import EntityRecognizer
from presidio_analyzer import predefined_recognizers as predefined

from services.ingest.detection.presidio import OfflineEmailRecognizer
from services.ingest.redact import Rule

Scan = Callable[[Any], object]

EXCHANGES = Path("exchanges/provider-exchanges.jsonl")
OWN_EXCHANGES = Path(__file__).parents[2] / "tests/data/exchanges.jsonl"


def mb_per_s(scan: Scan, documents: Sequence[object], seconds: float = 2.0) -> float:
    """MB of JSON per second of CPU."""
    size = sum(len(json.dumps(document).encode()) for document in documents)
    for document in documents:
        scan(document)  # what is compiled or loaded late
    rounds, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        for document in documents:
            scan(document)
        rounds += 1
    return size * rounds / (time.process_time() - start) / 1e6


def chat_payload(size: int = 4096) -> dict[str, object]:
    """A chat request of `size` bytes of ordinary prose, with one address in its last turn."""
    prose = (Path(sysconfig.get_path("stdlib")) / "argparse.py").read_text()
    prose = " ".join(re.findall(r"[A-Za-z]+[.,]?", prose))
    turns = [prose[at : at + 380] for at in range(0, size - 380, 420)]
    messages = [{"role": "user", "content": turn} for turn in turns]
    messages.append({"role": "user", "content": "Please write to ada@example.org about it."})
    return {"model": "gpt-4o-mini", "messages": messages, "temperature": 0.2}


def exchanges(folder: Path, size: int = 4096) -> list[object]:
    """Real exchanges of about `size` bytes, as decoded documents."""
    path = folder / EXCHANGES
    chosen: list[object] = []
    for line in (path if path.exists() else OWN_EXCHANGES).read_text().splitlines():
        exchange = json.loads(line)
        document = {key: exchange.get(key) for key in ("request", "response")}
        if size // 2 <= len(json.dumps(document)) <= size * 2:
            chosen.append(document)
    return chosen


def alternation(rules: Sequence[Rule]) -> Scan:
    """What one would write first: all patterns in one alternation of the standard `re`."""
    patterns = [rule.pattern for rule in rules if rule.enabled]
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


def presidio(*, phone: bool) -> Scan:
    """Presidio's recognizers of the six structured types, asked one by one: no language model, no
    search for context words, nothing replaced. The one for phone numbers is no pattern but
    libphonenumber's matcher, once for each of eight regions.
    """
    recognizers: list[EntityRecognizer] = [
        OfflineEmailRecognizer(),
        predefined.UsSsnRecognizer(),
        predefined.CreditCardRecognizer(),
        predefined.IbanRecognizer(),
        predefined.IpRecognizer(),
    ]
    if phone:
        recognizers.append(predefined.PhoneRecognizer())

    def scan(document: object) -> object:
        return [
            recognizer.analyze(text, recognizer.supported_entities, None)
            for text in _texts(document)
            for recognizer in recognizers
        ]

    return scan


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)


def _for_re(pattern: str) -> str:
    pattern = re.sub(r"\\x\{([0-9A-F]+)\}", lambda m: rf"\u{int(m[1], 16):04x}", pattern)
    pattern = pattern.replace(r"\p{Latin}\p{Greek}\p{Cyrillic}", "À-ӿ")
    inline = re.match(r"\(\?i\)", pattern)
    return f"(?i:{pattern[4:]})" if inline else pattern
