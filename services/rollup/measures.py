"""Folding interactions into daily rows. Pure; merging is associative, so batches do not matter."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date
from decimal import Context, Decimal

from sealbook.contract.events import InteractionRecorded

DEFAULT_CURRENCY = "USD"

# Enough digits for any sum of doubles: with the usual 28 it is rounded, and depends on its order.
_EXACT = Context(prec=1000)


@dataclass(frozen=True, slots=True)
class Day:
    """What the rows are by. Days are UTC; sums of different currencies never mix."""

    date: date
    provider: str
    model: str
    project: str
    currency: str


@dataclass(slots=True)
class Measures:
    """Sums over some interactions. Unknown usage and cost are counted, never taken for zero."""

    calls: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    unknown_usage_count: int = 0
    cost_total_cents: Decimal = Decimal(0)
    unknown_cost_count: int = 0
    latency_ms_sum: Decimal = Decimal(0)
    latency_count: int = 0

    def add(self, event: InteractionRecorded) -> None:
        """Count one interaction."""
        usage = event.usage
        self.calls += 1
        self.errors += event.status == "error"
        self.input_tokens += usage.input_total or 0
        self.output_tokens += usage.output_total or 0
        self.unknown_usage_count += usage.input_total is None and usage.output_total is None
        if event.cost is None:
            self.unknown_cost_count += 1
        else:
            cents = _EXACT.multiply(event.cost.total, 100)
            self.cost_total_cents = _EXACT.add(self.cost_total_cents, cents)
        if event.latency_ms is not None:
            # Through its shortest decimal form: a sum of floats would depend on their order.
            latency_ms = Decimal(repr(event.latency_ms))
            self.latency_ms_sum = _EXACT.add(self.latency_ms_sum, latency_ms)
            self.latency_count += 1


def day_of(event: InteractionRecorded) -> Day:
    """The row an interaction counts in."""
    return Day(
        event.occurred_at.astimezone(UTC).date(),
        event.provider,
        event.model,
        event.project,
        event.cost.currency if event.cost else DEFAULT_CURRENCY,
    )


def fold(events: Iterable[InteractionRecorded]) -> dict[Day, Measures]:
    """One row of sums per day, provider, model, project and currency."""
    rows: dict[Day, Measures] = {}
    for event in events:
        rows.setdefault(day_of(event), Measures()).add(event)
    return rows
