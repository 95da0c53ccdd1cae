"""Events of Anthropic's messages, and chunks of its legacy completions, to the complete answer."""

from collections.abc import Iterator

from sealbook.contract.documents import JsonValue, parse
from sealbook.errors import InvalidInput
from services.ingest.normalize.reading import Fields, as_object
from services.ingest.normalize.streams.fragments import by_index, join_objects

_EVENTS = ("message_start", "content_block_start", "content_block_delta", "message_delta")


def is_chunk(chunk: Fields) -> bool:
    """An event of a message, or a piece of a legacy completion."""
    return chunk.get("type") in _EVENTS or (
        chunk.get("type") == "completion" and "completion" in chunk
    )


def assemble(chunks: list[Fields]) -> JsonValue:
    """The message, or the legacy completion."""
    legacy = [chunk for chunk in chunks if chunk.get("type") == "completion"]
    message = _completion(legacy) if legacy else _message(chunks)
    for chunk in chunks:
        if chunk.get("error"):
            message["error"] = chunk["error"]
    return message


def _completion(chunks: list[Fields]) -> Fields:
    pieces = (chunk.get("completion") for chunk in chunks)
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    return {**join_objects(chunks), "completion": text}


def _message(chunks: list[Fields]) -> Fields:
    """The usage of the start, updated by that of the end, which counts the whole message."""
    message: Fields = {"type": "message"}
    usage: Fields = {}
    for chunk in chunks:
        started = as_object(chunk.get("message"))
        message |= started
        usage |= _known(as_object(started.get("usage")))
        if chunk.get("type") == "message_delta":
            message |= _known(as_object(chunk.get("delta")))
            usage |= _known(as_object(chunk.get("usage")))
    blocks = by_index(_pieces(chunks))
    return {**message, "content": [_block(pieces) for pieces in blocks.values()], "usage": usage}


def _known(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def _pieces(chunks: list[Fields]) -> Iterator[JsonValue]:
    """The start of each block and its deltas, each with the block's index."""
    for chunk in chunks:
        if isinstance(block := chunk.get("content_block"), dict):
            yield {**block, "index": chunk.get("index")}
        elif chunk.get("type") == "content_block_delta":
            delta = {**as_object(chunk.get("delta")), "index": chunk.get("index")}
            delta.pop("type", None)
            if "citation" in delta:
                delta["citations"] = [delta.pop("citation")]
            yield delta


def _block(pieces: list[Fields]) -> JsonValue:
    block = join_objects(pieces)
    block.pop("index", None)
    if "partial_json" in block:
        block["input"] = _input(block.pop("partial_json"))
    return block


def _input(arguments: JsonValue) -> JsonValue:
    """A tool's input; cut off in the middle, it stays the text that came."""
    try:
        return parse(arguments) if isinstance(arguments, str) and arguments else {}
    except InvalidInput:
        return arguments
