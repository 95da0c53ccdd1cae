"""Readable text of prompts and answers, in any provider's message shape; pictures are left out."""

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.reading import Fields, as_object

# Where a request keeps what the model is told, in the order in which a person would read it.
_PROMPT_FIELDS = (
    "system",
    "instructions",
    "preamble",
    "systemInstruction",
    "system_instruction",
    "chat_history",
    "messages",
    "contents",
    "message",
    "content",
    "prompt",
    "query",
    "input",
    "inputs",
    "inputText",
    "texts",
    "documents",
    "additional_messages",
)
# Where messages and content blocks keep text, or the blocks that do.
_TEXT_FIELDS = (
    "text",
    "content",
    "parts",
    "message",
    "output",
    "refusal",
    "value",
    "guardContent",
    "toolResult",
)
# Deepest known: messages > message > content > block > toolResult > content > block > text.
_MAX_DEPTH = 8


def prompt_text(request: JsonValue) -> str | None:
    """The request's messages or prompt, one below the other."""
    fields = as_object(request)
    found: list[str] = []
    for name in _PROMPT_FIELDS:
        if name in fields:
            _collect(fields[name], found, _MAX_DEPTH)
    return "\n".join(found) or None


def said(content: JsonValue) -> str | None:
    """The text of an answer: its blocks joined without a separator, as they were streamed."""
    if isinstance(content, str):
        return content or None
    found: list[str] = []
    _collect(content, found, _MAX_DEPTH)
    return "".join(found) or None


def lines(texts: list[str | None]) -> str | None:
    """Alternative answers, one below the other."""
    return "\n".join(text for text in texts if text) or None


def _collect(value: JsonValue, found: list[str], depth: int) -> None:
    if isinstance(value, str):
        if value:
            found.append(value)
    elif depth == 0:
        return
    elif isinstance(value, list):
        for item in value:
            _collect(item, found, depth - 1)
    elif isinstance(value, dict) and not _is_thought(value):
        for name in _TEXT_FIELDS:
            if name in value:
                _collect(value[name], found, depth - 1)


def _is_thought(block: Fields) -> bool:
    """Reasoning is neither prompt nor answer (Gemini: `thought`; Responses API: `reasoning`)."""
    return block.get("thought") is True or block.get("type") == "reasoning"
