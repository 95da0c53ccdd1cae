"""Raw stream text to chunks: server-sent events and JSON lines, also mixed with junk.

https://html.spec.whatwg.org/multipage/server-sent-events.html. A line or event that is not JSON
within the limits of `documents.parse` is skipped: keep-alives, `[DONE]`, a cut last line.
"""

import re
from collections.abc import Iterator

from sealbook.contract.documents import JsonValue, parse
from sealbook.errors import InvalidInput

# Not str.splitlines(): it also cuts at U+2028 and others, which stand raw inside JSON strings.
_LINE_END = re.compile(r"\r\n|\n|\r")
_DATA = "data:"
_EVENT = "event:"


def parse_stream(text: str) -> list[JsonValue]:
    """The chunks in order; a text that is one document (an error's body) is one chunk."""
    text = text.removeprefix("\ufeff")
    # Gemini without SSE sends one list, whose lines may look like JSON lines.
    if text[:1] == "[" and (chunks := _document(text)):
        return chunks
    return list(_chunks(_LINE_END.split(text))) or _document(text)


def _chunks(lines: list[str]) -> Iterator[JsonValue]:
    data: list[str] = []
    event = ""
    for line in lines:
        if line.startswith(_DATA):
            data.append(line[len(_DATA) :].strip())
        elif line.startswith(_EVENT):
            event = line[len(_EVENT) :].strip()
        elif not line:
            yield from _event(event, data)
            data, event = [], ""
        elif line[0] in "{[":
            yield from _parsed(line)
    yield from _event(event, data)


def _event(name: str, data: list[str]) -> Iterator[JsonValue]:
    """One event's data; lines that are no JSON together may be events without a blank between."""
    if not data:
        return
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
    if text[:1] not in ("{", "["):
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
