"""Lines of Ollama's chat and generate to the complete answer."""

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.reading import Fields
from services.ingest.normalize.streams.fragments import join_objects


def is_chunk(chunk: Fields) -> bool:
    """Each line says whether it is the last."""
    return "done" in chunk and ("message" in chunk or "response" in chunk)


def assemble(chunks: list[Fields]) -> JsonValue:
    """The texts joined; counts and durations come with the last line."""
    return join_objects(chunks)
