"""Events of Cohere's chat, v1 (JSON lines) and v2 (server-sent events), to the complete answer."""

from collections.abc import Iterator

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.reading import Fields, as_list, as_object
from services.ingest.normalize.streams.fragments import by_index, join_objects

_LISTED = ("content", "tool_calls", "citations")
_V1_MARKS = ("event_type", "is_finished")
_V2_EVENTS = ("message-start", "content-start", "content-delta", "message-end", "tool-call-start")


def is_chunk(chunk: Fields) -> bool:
    """v1 names its events `event_type`, v2 `type`, with hyphens."""
    return _is_v1(chunk) or chunk.get("type") in _V2_EVENTS


def assemble(chunks: list[Fields]) -> JsonValue:
    """The answer of either version."""
    return _v1(chunks) if any(map(_is_v1, chunks)) else _v2(chunks)


def _is_v1(chunk: Fields) -> bool:
    return any(mark in chunk for mark in _V1_MARKS)


def _v1(chunks: list[Fields]) -> JsonValue:
    """The last event holds the whole answer; a stream that was cut has the text so far."""
    for chunk in reversed(chunks):
        if isinstance(response := chunk.get("response"), dict):
            reason = chunk.get("finish_reason")
            return (
                response if "finish_reason" in response else {**response, "finish_reason": reason}
            )
    return {k: v for k, v in join_objects(chunks).items() if k not in _V1_MARKS}


def _v2(chunks: list[Fields]) -> JsonValue:
    deltas = [as_object(chunk.get("delta")) for chunk in chunks]
    whole: Fields = {"id": next((chunk["id"] for chunk in chunks if chunk.get("id")), None)}
    for delta in deltas:
        whole |= {name: value for name, value in delta.items() if name != "message"}
    whole["message"] = _message(chunks)
    return whole


def _message(chunks: list[Fields]) -> JsonValue:
    """What is listed comes in pieces by the event's index, the rest in fragments of itself."""
    messages = [as_object(as_object(chunk.get("delta")).get("message")) for chunk in chunks]
    plain = join_objects({k: v for k, v in m.items() if k not in _LISTED} for m in messages)
    for name in _LISTED:
        groups = by_index(_pieces(chunks, name))
        if groups:
            plain[name] = [_without_index(pieces) for pieces in groups.values()]
    return plain


def _pieces(chunks: list[Fields], name: str) -> Iterator[JsonValue]:
    for chunk in chunks:
        piece = as_object(as_object(chunk.get("delta")).get("message")).get(name)
        for item in [piece] if isinstance(piece, dict) else as_list(piece):
            yield {**as_object(item), "index": chunk.get("index")}


def _without_index(pieces: list[Fields]) -> JsonValue:
    whole = join_objects(pieces)
    whole.pop("index", None)
    return whole
