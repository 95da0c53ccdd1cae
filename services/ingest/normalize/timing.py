"""How long the provider says it took: measured at its servers, so without the network.

Only what a provider reports as such or what follows from its clock. A prompt's evaluation time is
not taken for the time to the first token: an answer that was not streamed has none.

Bedrock     Converse: `metrics.latencyMs`; invoked with a stream: invocation and first byte latency
Groq        `queue_time` + `total_time`, which is "completion time and prompt time combined"
LM Studio   `stats.time_to_first_token`, seconds; `time_to_first_token_seconds` in its version 1
Ollama      `total_duration`, nanoseconds; a stream's first token came as long before its end as its
            first line was made before its last, by `created_at`
"""

from dataclasses import dataclass
from datetime import datetime

from services.ingest.normalize.invocation import METRICS
from services.ingest.normalize.reading import Fields, as_duration, as_object

_SECOND, _NANOSECOND = 1000.0, 1e-6
# Where `streams.ollama` keeps when the first line was made; an answer without stream has no such.
FIRST_CREATED_AT = "first_created_at"


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds; None means the provider did not say."""

    latency_ms: float | None = None
    time_to_first_token_ms: float | None = None


UNTOLD = Timing()


def timing_of(body: Fields) -> Timing:
    """What a complete answer tells."""
    if "total_duration" in body:
        return _ollama(body)
    if METRICS in body:
        metrics = as_object(body[METRICS])
        return Timing(
            as_duration(metrics.get("invocationLatency")),
            as_duration(metrics.get("firstByteLatency")),
        )
    if "metrics" in body:
        return Timing(as_duration(as_object(body["metrics"]).get("latencyMs")))
    if "stats" in body:
        return _lmstudio(as_object(body["stats"]))
    usage = body.get("usage")
    return _groq(usage) if isinstance(usage, dict) and "queue_time" in usage else UNTOLD


def _groq(usage: Fields) -> Timing:
    queued = as_duration(usage.get("queue_time"), unit_ms=_SECOND)
    worked = as_duration(usage.get("total_time"), unit_ms=_SECOND)
    return UNTOLD if queued is None or worked is None else Timing(round(queued + worked, 6))


def _lmstudio(stats: Fields) -> Timing:
    first = stats.get("time_to_first_token", stats.get("time_to_first_token_seconds"))
    return Timing(None, as_duration(first, unit_ms=_SECOND))


def _ollama(body: Fields) -> Timing:
    total_ms = as_duration(body.get("total_duration"), unit_ms=_NANOSECOND)
    first, last = _moment(body.get(FIRST_CREATED_AT)), _moment(body.get("created_at"))
    if total_ms is None or first is None or last is None:
        return Timing(total_ms)
    try:
        first_ms = round(total_ms - (last - first).total_seconds() * 1000, 6)
    except TypeError:  # one of them with a zone, the other without
        return Timing(total_ms)
    return Timing(total_ms, first_ms if 0 <= first_ms <= total_ms else None)


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
