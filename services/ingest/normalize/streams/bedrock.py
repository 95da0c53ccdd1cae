"""Chunks of Bedrock's ConverseStream, and of Titan and Llama invoked with a stream.

Converse (and Nova, invoked) has one event per object, named by its only field. Anthropic's,
Cohere's and OpenAI-like models stream as they do elsewhere, with Amazon's metrics on the last.
"""

from collections.abc import Iterator

from sealbook.contract.documents import JsonValue, parse
from sealbook.errors import InvalidInput
from services.ingest.normalize.reading import Fields, as_object
from services.ingest.normalize.streams.fragments import by_index, join_objects

_EVENTS = ("messageStart", "contentBlockStart", "contentBlockDelta", "messageStop")
_PIECES = ("outputText", "generation")


def is_chunk(chunk: Fields) -> bool:
    """A Converse event, or a piece of Titan's or Llama's text."""
    return any(name in chunk for name in _EVENTS + _PIECES)


def assemble(chunks: list[Fields]) -> JsonValue:
    """The answer as Converse or the model's body would have been."""
    if any(name in chunk for chunk in chunks for name in _EVENTS):
        return _converse(chunks)
    whole = join_objects(chunks)
    for name in _PIECES:
        if name in whole:
            pieces = (chunk.get(name) for chunk in chunks)
            whole[name] = "".join(piece for piece in pieces if isinstance(piece, str))
    return whole


def _converse(chunks: list[Fields]) -> JsonValue:
    whole: Fields = {}
    role: JsonValue = "assistant"
    for chunk in chunks:
        role = as_object(chunk.get("messageStart")).get("role") or role
        whole |= as_object(chunk.get("messageStop"))
        whole |= as_object(chunk.get("metadata"))
    blocks = by_index(_pieces(chunks))
    content: list[JsonValue] = [_block(pieces) for pieces in blocks.values()]
    whole["output"] = {"message": {"role": role, "content": content}}
    return whole


def _pieces(chunks: list[Fields]) -> Iterator[JsonValue]:
    for chunk in chunks:
        for event, field in (("contentBlockStart", "start"), ("contentBlockDelta", "delta")):
            fields = as_object(chunk.get(event))
            if fields:
                index = fields.get("contentBlockIndex")
                yield {**as_object(fields.get(field)), "index": index}


def _block(pieces: list[Fields]) -> JsonValue:
    block = join_objects(pieces)
    block.pop("index", None)
    tool = as_object(block.get("toolUse"))
    if isinstance(arguments := tool.get("input"), str):
        block["toolUse"] = {**tool, "input": _input(arguments)}
    return block


def _input(arguments: str) -> JsonValue:
    """A tool's input; cut off in the middle, it stays the text that came."""
    try:
        return parse(arguments) if arguments else {}
    except InvalidInput:
        return arguments
