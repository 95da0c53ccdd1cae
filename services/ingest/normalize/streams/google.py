"""Chunks of Gemini's streamGenerateContent to the complete answer."""

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.reading import Fields, as_list, as_object
from services.ingest.normalize.streams.fragments import by_index, join_objects


def is_chunk(chunk: Fields) -> bool:
    """A chunk is a small answer."""
    return "candidates" in chunk or "usageMetadata" in chunk


def assemble(chunks: list[Fields]) -> JsonValue:
    """The chunks' last words, with the parts of each candidate one after the other."""
    whole: Fields = {}
    for chunk in chunks:
        whole |= chunk
    candidates = by_index(item for chunk in chunks for item in as_list(chunk.get("candidates")))
    whole["candidates"] = [_candidate(pieces) for pieces in candidates.values()]
    return whole


def _candidate(pieces: list[Fields]) -> JsonValue:
    candidate = join_objects(pieces)
    content = as_object(candidate.get("content"))
    if content:
        candidate["content"] = {**content, "parts": _merged(as_list(content.get("parts")))}
    return candidate


def _merged(parts: list[JsonValue]) -> list[JsonValue]:
    """Neighbouring texts of one sort (thought or answer) made one; other parts stay apart."""
    runs: list[list[Fields]] = []
    for part in map(as_object, parts):
        if runs and _sort(part) is not None and _sort(part) == _sort(runs[-1][-1]):
            runs[-1].append(part)
        else:
            runs.append([part])
    return [join_objects(run) for run in runs]


def _sort(part: Fields) -> bool | None:
    return part.get("thought") is True if "text" in part else None
