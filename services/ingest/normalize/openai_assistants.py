"""OpenAI's assistants: threads, messages, runs and their steps, all of kind "other".

A streamed run is assembled into the run with its `messages` and `steps`. Creating a user message
echoes it, so only a message by the assistant is an answer.
https://platform.openai.com/docs/api-reference/assistants
"""

from collections.abc import Iterator

from services.ingest.normalize.exchange import Exchange, Normalized
from services.ingest.normalize.mapping import normalized
from services.ingest.normalize.openai_usage import openai_usage
from services.ingest.normalize.reading import Fields, as_list, as_object, as_text, first_text
from services.ingest.normalize.texts import lines, said
from services.ingest.normalize.tools import calls, names_in


def recognizes(body: Fields) -> bool:
    """Whether this is one of the thread objects."""
    kind = body.get("object")
    return isinstance(kind, str) and kind.startswith("thread")


def normalize(exchange: Exchange) -> Normalized:
    """A thread, message, run or step."""
    body = as_object(exchange.response)
    messages = [body, *map(as_object, as_list(body.get("messages")))]
    return normalized(
        exchange,
        "other",
        model_answered=as_text(body.get("model")),
        response_text=lines([_answer(message) for message in messages]),
        usage=openai_usage(body.get("usage")),
        tools=calls(_tool_names(body)),
        finish_reason=as_text(body.get("status")),
    )


def _answer(message: Fields) -> str | None:
    return said(message.get("content")) if message.get("role") == "assistant" else None


def _tool_names(body: Fields) -> Iterator[str | None]:
    required = as_object(body.get("required_action"))
    yield from names_in(as_object(required.get("submit_tool_outputs")))
    for step in as_list(body.get("steps")):
        details = as_object(as_object(step).get("step_details"))
        for call in as_list(details.get("tool_calls")):
            fields = as_object(call)
            name = first_text(as_object(fields.get("function")), "name")
            yield name or as_text(fields.get("type"))
