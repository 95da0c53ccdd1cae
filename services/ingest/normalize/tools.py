"""Tool calls: those an answer asks for, and how those went that a request brings results of.

A call is counted where it is asked for: in that answer, with `ok=None` unless the provider ran the
tool itself and says how it went. When a later request brings its result, it is listed there once
more as `earlier`, with its `ok`, and only where the format says so: Anthropic's `is_error`,
Bedrock's `status`, Gemini's `error`. OpenAI's, Mistral's, Cohere's and Ollama's tool messages do
not. Older turns are not listed again: they were part of earlier exchanges.
"""

from collections.abc import Iterable, Iterator

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.exchange import ToolCall
from services.ingest.normalize.reading import Fields, as_list, as_object, first_text


def calls(names: Iterable[str | None]) -> tuple[ToolCall, ...]:
    """Calls that are only asked for; a call without a name is none."""
    return tuple(ToolCall(name) for name in names if name)


def names_in(message: Fields) -> Iterator[str | None]:
    """Names in `tool_calls` (OpenAI, Mistral, Ollama, Cohere) and in the older `function_call`."""
    for call in as_list(message.get("tool_calls")):
        fields = as_object(call)
        yield first_text(as_object(fields.get("function")), "name") or first_text(fields, "name")
    if "function_call" in message:
        yield first_text(as_object(message["function_call"]), "name")


def last_turn(messages: JsonValue, role: str, parts: str) -> tuple[list[Fields], list[Fields]]:
    """The parts of the model's last turn, and those of all messages that answer it."""
    listed = [as_object(message) for message in as_list(messages)]
    for index in range(len(listed) - 1, -1, -1):
        if listed[index].get("role") == role:
            after = [part for message in listed[index + 1 :] for part in _parts(message, parts)]
            return _parts(listed[index], parts), after
    return [], []


def _parts(message: Fields, name: str) -> list[Fields]:
    return [as_object(part) for part in as_list(message.get(name))]
