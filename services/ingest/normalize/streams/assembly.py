"""Chooses who assembles a stream, by the shape of its chunks and not by the provider's name."""

import base64
import binascii
from collections.abc import Callable, Iterator

from sealbook.contract.documents import JsonValue, parse
from sealbook.errors import InvalidInput
from services.ingest.normalize.exchange import Exchange
from services.ingest.normalize.invocation import METRICS
from services.ingest.normalize.reading import Fields
from services.ingest.normalize.streams import (
    anthropic,
    bedrock,
    cohere,
    google,
    ollama,
    openai_assistants,
    openai_chat,
    openai_responses,
)
from services.ingest.normalize.streams.parsing import parse_stream

_ASSEMBLERS: tuple[tuple[Callable[[Fields], bool], Callable[[list[Fields]], JsonValue]], ...] = (
    (openai_chat.is_chunk, openai_chat.assemble),
    (openai_responses.is_chunk, openai_responses.assemble),
    (anthropic.is_chunk, anthropic.assemble),
    (openai_assistants.is_chunk, openai_assistants.assemble),
    (google.is_chunk, google.assemble),
    (ollama.is_chunk, ollama.assemble),
    (cohere.is_chunk, cohere.assemble),
    (bedrock.is_chunk, bedrock.assemble),
)
# Fields that a client library's wrapping of an event has; a chunk of its own has others.
_WRAPPING = frozenset({"data", "event", "id", "retry"})


def complete_response(exchange: Exchange) -> JsonValue:
    """The answer itself, or the one assembled from its stream; other text stays text."""
    if exchange.response_stream and not exchange.response:
        chunks = parse_stream(exchange.response_stream)
        return assemble(chunks) if chunks else exchange.response_stream
    if isinstance(exchange.response, list):
        return assemble(exchange.response)
    return exchange.response


def assemble(chunks: list[JsonValue]) -> JsonValue:
    """The complete answer of these chunks; chunks that nobody knows are left as they are."""
    objects = list(_unwrapped(chunks))
    for chunk in objects:
        for is_chunk, assemble_chunks in _ASSEMBLERS:
            if is_chunk(chunk):
                return _with_metrics(assemble_chunks(objects), objects)
    return _failed(objects) or (objects[0] if len(objects) == len(chunks) == 1 else chunks)


def _with_metrics(whole: JsonValue, chunks: list[Fields]) -> JsonValue:
    """With Bedrock's metrics, which whoever's model it is has on the last chunk."""
    if METRICS in chunks[-1] and isinstance(whole, dict):
        return {**whole, METRICS: chunks[-1][METRICS]}
    return whole


def _failed(chunks: list[Fields]) -> Fields | None:
    """The last chunk with an error: a stream may end before anything of it was sent."""
    return next((chunk for chunk in reversed(chunks) if chunk.get("error")), None)


def _unwrapped(chunks: list[JsonValue]) -> Iterator[Fields]:
    for chunk in chunks:
        if isinstance(chunk, dict):
            yield _inner(chunk)


def _inner(chunk: Fields) -> Fields:
    """The chunk inside what a client library wraps it in: an event, or bytes on Bedrock."""
    inner = chunk.get("data")
    if isinstance(inner, dict) and chunk.keys() <= _WRAPPING:
        return inner
    inner = chunk.get("chunk")
    if isinstance(inner, dict) and isinstance(inner.get("bytes"), str):
        return _decoded(inner["bytes"]) or chunk
    return chunk


def _decoded(encoded: JsonValue) -> Fields | None:
    try:
        document = parse(base64.b64decode(str(encoded), validate=True))
    except (binascii.Error, InvalidInput, ValueError):
        return None
    return document if isinstance(document, dict) else None
