"""Chunks of chat and text completions, OpenAI's and its followers', to the complete answer."""

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.reading import Fields, as_list, as_object
from services.ingest.normalize.streams.fragments import by_index, join_objects

# Padding against traffic analysis, and what is assembled apart.
_NOT_COPIED = frozenset({"choices", "usage", "obfuscation", "x_groq"})


def is_chunk(chunk: Fields) -> bool:
    """A chunk has choices, be they empty: Azure's first, and the last one with usage."""
    return "choices" in chunk


def assemble(chunks: list[Fields]) -> JsonValue:
    """The answer as it would have come without streaming."""
    whole = _first_said(chunks)
    if whole.get("object") == "chat.completion.chunk":
        whole["object"] = "chat.completion"
    choices = by_index(choice for chunk in chunks for choice in as_list(chunk.get("choices")))
    whole["choices"] = [_choice(pieces) for pieces in choices.values()]
    usage = _usage(chunks)
    if usage is not None:
        whole["usage"] = usage
    return whole


def _first_said(chunks: list[Fields]) -> Fields:
    """What all chunks repeat; Azure's first one has it empty."""
    whole: Fields = {}
    for chunk in chunks:
        for name, value in chunk.items():
            if value and name not in _NOT_COPIED:
                whole.setdefault(name, value)
    return whole


def _choice(pieces: list[Fields]) -> JsonValue:
    choice = join_objects(pieces)
    if "delta" in choice:
        choice["message"] = choice.pop("delta")
    return choice


def _usage(chunks: list[Fields]) -> JsonValue:
    """The last one reported: some count up with every chunk. Groq has it under `x_groq`."""
    for chunk in reversed(chunks):
        usage = chunk.get("usage") or as_object(chunk.get("x_groq")).get("usage")
        if isinstance(usage, dict):
            return usage
    return None
