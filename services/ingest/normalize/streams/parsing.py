"""Raw stream text to chunks: server-sent events and JSON lines, also mixed with junk.

https://html.spec.whatwg.org/multipage/server-sent-events.html. A line or event that is not JSON
within the limits of `documents.parse` is skipped: keep-alives, `[DONE]`, a cut last line.
"""

from collections.abc import Iterator
from itertools import chain

from sealbook.contract.documents import JsonValue, parse
from sealbook.errors import InvalidInput

_DATA = "data:"
_EVENT = "event:"
_DONE = "[DONE]"
_OPENINGS = frozenset("{[")

_Event = tuple[str, list[str]]


def parse_stream(text: str) -> list[JsonValue]:
    """The chunks in order; a text that is one document (an error's body) is one chunk."""
    text = text.removeprefix("\ufeff")
    # Gemini without SSE sends one list, whose lines may look like JSON lines.
    if text[:1] == "[" and (chunks := _document(text)):
        return chunks
    # Not str.splitlines(): it also cuts at U+2028 and others, which stand raw inside JSON strings.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events = list(_events(lines))
    return _together(events) or list(chain.from_iterable(map(_chunks, events))) or _document(text)


def _events(lines: list[str]) -> Iterator[_Event]:
    """Every event's name and its lines of data; a line of JSON is an event of its own."""
    data: list[str] = []
    event = ""
    for line in lines:
        if line.startswith(_DATA):
            data.append(line[len(_DATA) :].strip())
        elif line.startswith(_EVENT):
            event = line[len(_EVENT) :].strip()
        elif not line:
            if data:
                yield event, data
            data, event = [], ""
        elif line[0] in "{[":
            yield "", [line]
    if data:
        yield event, data


def _together(events: list[_Event]) -> list[JsonValue]:
    """All events read as one document, in half the time; empty where they are better read alone.

    Only text that is made for it can pass for other chunks than it holds, and these are scanned.
    """
    texts = ["\n".join(data) for _, data in events if data[0][:1] in _OPENINGS]
    if texts and texts[-1] == _DONE:
        del texts[-1]
    if any(name == "error" for name, _ in events):
        return []
    try:
        found = parse(f"[{','.join(texts)}]")
    except InvalidInput:
        return []
    return found if isinstance(found, list) and len(found) == len(texts) else []


def _chunks(event: _Event) -> Iterator[JsonValue]:
    """One event's data; lines that are no JSON together may be events without a blank between."""
    name, data = event
    found = list(_parsed("\n".join(data)))
    if not found and len(data) > 1:
        found = [chunk for line in data for chunk in _parsed(line)]
    for chunk in found:
        yield _marked(name, chunk)


def _marked(name: str, chunk: JsonValue) -> JsonValue:
    """Some providers say only in the event's name that its data is an error."""
    if name == "error" and isinstance(chunk, dict) and "error" not in chunk:
        return {"error": chunk}
    return chunk


def _parsed(text: str) -> Iterator[JsonValue]:
    if text[:1] not in _OPENINGS:
        return
    try:
        yield parse(text)
    except InvalidInput:
        return


def _document(text: str) -> list[JsonValue]:
    """The text as one document, be it over several lines: the items of a list are chunks."""
    for document in _parsed(text.strip()):
        return document if isinstance(document, list) else [document]
    return []
