"""Lines of Ollama's chat and generate to the complete answer."""

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.reading import Fields
from services.ingest.normalize.streams.fragments import join_objects
from services.ingest.normalize.timing import FIRST_CREATED_AT


def is_chunk(chunk: Fields) -> bool:
    """Each line says whether it is the last."""
    return "done" in chunk and ("message" in chunk or "response" in chunk)


def assemble(chunks: list[Fields]) -> JsonValue:
    """The texts joined; counts and durations come with the last line.

    When the first line was made is kept beside: only a stream tells when its first token came.
    """
    return {**join_objects(chunks), FIRST_CREATED_AT: chunks[0].get("created_at")}
