"""OpenAI's Responses API: https://platform.openai.com/docs/api-reference/responses."""

from collections.abc import Iterator

from services.ingest.normalize.exchange import Exchange, Normalized, ToolCall
from services.ingest.normalize.mapping import normalized
from services.ingest.normalize.openai_usage import openai_usage
from services.ingest.normalize.reading import Fields, as_list, as_object, as_text, first_text
from services.ingest.normalize.stops import REFUSAL
from services.ingest.normalize.texts import said

# Statuses that end a response; "queued" and "in_progress" say that it has not finished.
_FINAL = ("completed", "incomplete", "failed", "cancelled")
_CALL = "_call"


def recognizes(body: Fields) -> bool:
    """Whether this is a response object."""
    return body.get("object") == "response"


def normalize(exchange: Exchange) -> Normalized:
    """A response object."""
    body = as_object(exchange.response)
    output = [as_object(item) for item in as_list(body.get("output"))]
    return normalized(
        exchange,
        "chat",
        model_answered=as_text(body.get("model")),
        response_text=said([item.get("content") for item in output if _is_message(item)]),
        usage=openai_usage(body.get("usage")),
        tools=tuple(_tools(output)),
        finish_reason=_finish_reason(body),
        stop_cause=REFUSAL if any(map(_refuses, output)) else None,
    )


def _is_message(item: Fields) -> bool:
    return item.get("type") == "message"


def _refuses(item: Fields) -> bool:
    parts = map(as_object, as_list(item.get("content")))
    return any(part.get("type") == "refusal" for part in parts)


def _finish_reason(body: Fields) -> str | None:
    status = as_text(body.get("status"))
    reason = first_text(as_object(body.get("incomplete_details")), "reason")
    return reason or (status if status in _FINAL else None)


def _tools(output: list[Fields]) -> Iterator[ToolCall]:
    for item in output:
        kind = as_text(item.get("type"))
        if kind and kind.endswith(_CALL):
            yield ToolCall(as_text(item.get("name")) or kind.removesuffix(_CALL), _ok(kind, item))


def _ok(kind: str, item: Fields) -> bool | None:
    """OpenAI's own tools ran before the answer; the application's are only asked for."""
    if kind in ("function_call", "custom_tool_call", "computer_call", "local_shell_call"):
        return None
    if item.get("error") or item.get("status") == "failed":
        return False
    return True if item.get("status") == "completed" else None
