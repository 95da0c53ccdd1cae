"""What no leaf says alone: answers in pieces, as tokens with their odds, blocks or unknown chunks.

    [{"piece": "SSN 123-45"}, {"piece": "-6789."}]
    [{"piece": "SSN [US_SSN]"}, {"piece": "."}]

Texts at the same place in the items of one list are read as one text. Only for answers: the items
of other lists have nothing to do with each other.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from services.ingest.redact.explain import Finding
from services.ingest.redact.redactor import Redacted, Redactor
from services.ingest.redact.scan import Hits, Scan
from services.ingest.redact.tags import ERROR_HIT, ERROR_TAG
from services.ingest.redact.tree import JsonValue

_EVENT_DATA = re.compile(r"^(data: ?)([^\r\n]*)", re.MULTILINE)
_DEPTH = 8  # below a list
_LOOKS = 8

Place = tuple[int, int | str]
"""The identity of an array or object, and where in it."""
Piece = tuple[Place, str]


def scan_answer(redactor: Redactor, document: JsonValue) -> Redacted:
    """`redactor.scan` of a document, and of the texts that it holds in pieces."""
    if isinstance(document, str) and document.count("\ndata:"):
        return _scan_events(redactor, document)
    return _scan_pieces(redactor, document)


def _scan_events(redactor: Redactor, stream: str) -> Redacted:
    """Server-sent events whose data is no JSON: each as a piece of one text."""
    pieces = _scan_pieces(redactor, [data for _, data in _EVENT_DATA.findall(stream)])
    if not isinstance(pieces.document, list):
        return pieces
    kept = map(str, pieces.document)
    joined = _EVENT_DATA.sub(lambda one: one[1] + next(kept), stream)
    whole = redactor.scan(joined)
    return Redacted(whole.document, _sum(pieces.hits, whole.hits))


def _scan_pieces(redactor: Redactor, document: JsonValue) -> Redacted:
    scanned = redactor.scan(document)
    for _ in range(_LOOKS):
        scan = Scan(hits=dict(scanned.hits))
        changes = _changes(redactor, scanned.document, scan)
        if not changes:
            break
        again = redactor.scan(_changed(scanned.document, changes))
        scanned = Redacted(again.document, _sum(scan.hits, again.hits))
    else:
        return Redacted(ERROR_TAG, _sum(scanned.hits, {ERROR_HIT: 1}))
    return Redacted(_without_bytes(scanned.document), scanned.hits) if scanned.hits else scanned


def _sum(hits: Hits, more: Hits) -> Hits:
    return {name: hits.get(name, 0) + more.get(name, 0) for name in [*hits, *more]}


def _changes(redactor: Redactor, document: JsonValue, scan: Scan) -> dict[Place, str]:
    """New texts of pieces. Of rows that share a piece, one; the next look is for the other."""
    rows = [row for values in _lists(document) for row in _rows(values)]
    if not rows:  # as in most answers
        return {}
    texts: list[JsonValue] = ["".join(text for _, text in row) for row in rows]
    judged = redactor.scan(texts)
    if not judged.hits or not isinstance(judged.document, list):
        return {}
    changes: dict[Place, str] = {}
    for row, text, masked in zip(rows, texts, judged.document, strict=True):
        if masked == text or any(place in changes for place, _ in row):
            continue
        found = _findings(redactor, str(text))
        scan.count(one.rule for one in found)
        changes |= _spread(row, found)
    return changes


def _findings(redactor: Redactor, text: str) -> Sequence[Finding]:
    found = redactor.explain(text)
    position, masked = 0, ""
    for one in found:
        masked, position = masked + text[position : one.start] + one.replacement, one.end
    masked += text[position:]
    if redactor.scan(masked).document != masked:  # JSON in it hides more
        return [Finding(0, len(text), ERROR_HIT, ERROR_TAG)]
    return found


def _spread(row: Sequence[Piece], found: Sequence[Finding]) -> dict[Place, str]:
    """The pieces without what was found; a tag stands where what it is for began."""
    changes: dict[Place, str] = {}
    begin = 0
    for place, text in row:
        end, position, new = begin + len(text), begin, ""
        for one in found:
            if one.start < end and one.end > begin:
                new += text[position - begin : max(one.start, begin) - begin]
                new += one.replacement if one.start >= begin else ""
                position = min(one.end, end)
        if position > begin:
            changes[place] = new + text[position - begin :]
        begin = end
    return changes


def _lists(document: JsonValue) -> Iterator[list[Any]]:
    waiting: list[Any] = [[document]]
    for container in waiting:  # grows meanwhile
        if type(container) is list:
            parts = container
            if len(container) > 1:
                yield container
        else:
            parts = container.values()
        for part in parts:
            kind = type(part)
            if kind is dict or kind is list:
                waiting.append(part)


def _rows(values: list[Any]) -> Iterator[list[Piece]]:
    rows: dict[tuple[int | str, ...], list[Piece]] = {}
    for index, item in enumerate(values):
        for path, place, text in _texts(item, (id(values), index), (), _DEPTH):
            rows.setdefault(path, []).append((place, text))
    return (row for row in rows.values() if len(row) > 1)


def _texts(
    value: Any, place: Place, path: tuple[int | str, ...], room: int
) -> Iterator[tuple[tuple[int | str, ...], Place, str]]:
    if type(value) is str:
        if value:
            yield path, place, value
    elif room and type(value) is dict:
        for name, part in value.items():
            yield from _texts(part, (id(value), name), (*path, name), room - 1)
    elif room and type(value) is list:
        for index, part in enumerate(value):
            yield from _texts(part, (id(value), index), (*path, index), room - 1)


def _changed(value: Any, changes: dict[Place, str]) -> Any:
    """The document with these texts in their places."""
    if type(value) is dict:
        return {
            name: changes[id(value), name]
            if (id(value), name) in changes
            else _changed(part, changes)
            for name, part in value.items()
        }
    if type(value) is list:
        return [
            changes[id(value), at] if (id(value), at) in changes else _changed(part, changes)
            for at, part in enumerate(value)
        ]
    return value


def _without_bytes(value: Any) -> Any:
    """Without the `bytes` of tokens (OpenAI's `logprobs`) that say something else than the token:
    what was masked in the one still stands in the other."""
    if type(value) is list:
        return [_without_bytes(part) for part in value]
    if type(value) is not dict:
        return value
    new = {name: _without_bytes(part) for name, part in value.items()}
    if type(token := value.get("token")) is str and type(value.get("bytes")) is list:
        spelled = [*token.encode(errors="replace")]
        return new | {"bytes": None} if spelled != value["bytes"] else new
    return new
