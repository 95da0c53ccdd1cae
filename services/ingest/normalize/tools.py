"""Tool calls: those an answer asks for, and how those went that a request brings results of.

A call the answer asks for has `ok=None`, since nobody ran it yet. A request's last messages may
carry results of the calls before it; such a call is listed with its `ok` only where the provider's
format says how it went. Older turns are not listed again: they were part of earlier exchanges.
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


def last_two(messages: JsonValue) -> tuple[Fields, Fields]:
    """The last model turn and the message that answers it, where a request ends so."""
    if not isinstance(messages, list) or len(messages) < 2:
        return {}, {}
    return as_object(messages[-2]), as_object(messages[-1])
