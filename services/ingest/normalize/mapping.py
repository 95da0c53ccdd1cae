"""What every mapper ends with: the parts that are read alike for all providers."""

from collections.abc import Callable
from typing import TypeAlias

from sealbook.contract.usage import Usage
from services.ingest.normalize.exchange import Exchange, Kind, Normalized, ToolCall
from services.ingest.normalize.outcome import outcome_of
from services.ingest.normalize.reading import as_object, first_text
from services.ingest.normalize.texts import prompt_text

Mapper: TypeAlias = Callable[[Exchange], Normalized]

UNKNOWN = Usage()


def normalized(
    exchange: Exchange,
    kind: Kind,
    *,
    model_answered: str | None = None,
    response_text: str | None = None,
    usage: Usage = UNKNOWN,
    tools: tuple[ToolCall, ...] = (),
    finish_reason: str | None = None,
) -> Normalized:
    """The result for an exchange whose response is complete."""
    outcome = outcome_of(exchange)
    return Normalized(
        kind=kind,
        model_asked=first_text(as_object(exchange.request), "model", "modelId"),
        model_answered=model_answered,
        request_text=prompt_text(exchange.request),
        response_text=response_text,
        usage=usage,
        tools=tools,
        finish_reason=finish_reason,
        status=outcome.status,
        error_class=outcome.error_class,
        error_message=outcome.error_message,
        response=exchange.response,
    )
