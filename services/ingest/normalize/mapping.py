"""What every mapper ends with: the parts that are read alike for all providers."""

from collections.abc import Callable
from typing import TypeAlias

from sealbook.contract.usage import Usage
from services.ingest.normalize.charge import charged
from services.ingest.normalize.exchange import Exchange, Kind, Normalized, ToolCall
from services.ingest.normalize.invocation import METRICS, metrics_usage
from services.ingest.normalize.outcome import outcome_of
from services.ingest.normalize.reading import Fields, as_name, as_object, first_text
from services.ingest.normalize.stops import body_cause
from services.ingest.normalize.texts import prompt_text
from services.ingest.normalize.timing import timing_of

Mapper: TypeAlias = Callable[[Exchange], Normalized]

UNKNOWN = Usage()


def normalized(
    exchange: Exchange,
    kind: Kind,
    *,
    model_answered: str | None = None,
    response_text: str | None = None,
    usage: Usage = UNKNOWN,
    cache_write_1h: int | None = None,
    tools: tuple[ToolCall, ...] = (),
    finish_reason: str | None = None,
    stop_cause: str | None = None,
) -> Normalized:
    """The result for an exchange whose response is complete."""
    outcome = outcome_of(exchange)
    body = as_object(exchange.response)
    timing = timing_of(body)
    if METRICS in body and usage == UNKNOWN:
        usage = metrics_usage(as_object(body[METRICS]))
    return Normalized(
        kind=kind,
        model_asked=first_text(as_object(exchange.request), "model", "modelId"),
        model_answered=model_answered,
        request_text=prompt_text(exchange.request),
        response_text=response_text,
        usage=usage,
        cache_write_1h=cache_write_1h,
        tools=tools,
        finish_reason=finish_reason,
        stop_cause=stop_cause or body_cause(body),
        latency_ms=timing.latency_ms,
        time_to_first_token_ms=timing.time_to_first_token_ms,
        service_tier=_service_tier(body),
        cost=charged(exchange.provider, body),
        status=outcome.status,
        error_class=outcome.error_class,
        error_message=outcome.error_message,
        response=exchange.response,
    )


def _service_tier(body: Fields) -> str | None:
    """The tier that served: it has prices of its own. Anthropic tells it and its speed in usage."""
    if "service_tier" in body:
        return as_name(body["service_tier"])
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    return "fast" if usage.get("speed") == "fast" else as_name(usage.get("service_tier"))
