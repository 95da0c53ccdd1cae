"""Daily sums: exact, by UTC day, and never a zero for what is unknown."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from sealbook.contract.events import Cost, InteractionRecorded
from sealbook.contract.usage import Usage
from sealbook.projection.published import daily_columns
from services.rollup.measures import DEFAULT_CURRENCY, Day, Measures, day_of, fold

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DAY = Day(date(2026, 1, 2), "openai", "m", "support", "USD")


def recorded(**fields: Any) -> InteractionRecorded:
    return InteractionRecorded.model_validate(
        {
            "id": UUID(int=1),
            "project": "support",
            "provider": "openai",
            "model": "m",
            "kind": "chat",
            "status": "success",
            "usage": Usage(),
            "occurred_at": AT,
            "policy_version": "p",
            "fingerprint": "f",
            "sealed": b"",
            **fields,
        }
    )


def cost(total: str, currency: str = "USD") -> Cost:
    return Cost(total=Decimal(total), currency=currency, source="explicit")


def sums(*events: InteractionRecorded) -> Measures:
    (row,) = fold(events).values()
    return row


def test_everything_known_is_summed() -> None:
    one = recorded(
        usage=Usage(input=1, cache_read=2, output=3, reasoning=4),
        cost=cost("0.0123"),
        latency_ms=1.5,
    )
    two = recorded(status="error", usage=Usage(input=10), cost=cost("1"), latency_ms=2)
    assert sums(one, two) == Measures(
        calls=2,
        errors=1,
        input_tokens=13,
        output_tokens=7,
        unknown_usage_count=0,
        cost_total_cents=Decimal("101.23"),
        unknown_cost_count=0,
        latency_ms_sum=Decimal("3.5"),
        latency_count=2,
    )


def test_the_unknown_is_counted_and_not_taken_for_zero() -> None:
    row = sums(recorded(), recorded(cost=cost("0"), latency_ms=0, usage=Usage(output=0)))
    assert (row.calls, row.unknown_usage_count, row.unknown_cost_count) == (2, 1, 1)
    assert (row.latency_count, row.latency_ms_sum) == (1, 0)


def test_only_errors_are_errors() -> None:
    events = [recorded(status=status) for status in ("success", "error", "canceled")]
    assert sums(*events).errors == 1


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 1, 1, 23, 59, 59, 999_999, UTC), date(2026, 1, 1)),
        (datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2)),
        (datetime(2026, 1, 2, 0, 30, tzinfo=timezone(timedelta(hours=1))), date(2026, 1, 1)),
        (datetime(2026, 1, 1, 23, 30, tzinfo=timezone(timedelta(hours=-1))), date(2026, 1, 2)),
    ],
)
def test_days_are_utc(moment: datetime, day: date) -> None:
    assert day_of(recorded(occurred_at=moment)).date == day


@pytest.mark.parametrize(
    "other",
    [
        {"provider": "azure"},
        {"model": "n"},
        {"project": "sales"},
        {"occurred_at": AT + timedelta(days=1)},
        {"cost": cost("1", "EUR")},
    ],
)
def test_what_differs_has_a_row_of_its_own(other: dict[str, Any]) -> None:
    rows = fold([recorded(), recorded(**other), recorded(), recorded(**other)])
    assert len(rows) == 2
    assert {row.calls for row in rows.values()} == {2}


def test_an_unknown_cost_stands_with_the_default_currency() -> None:
    assert day_of(recorded()) == DAY
    assert DAY.currency == DEFAULT_CURRENCY
    assert fold([recorded(), recorded(cost=cost("1"))]).keys() == {DAY}


def test_latencies_are_summed_in_their_shortest_decimal_form() -> None:
    events = [recorded(latency_ms=value) for value in (0.1, 0.2, 0.3)]
    assert sums(*events).latency_ms_sum == Decimal("0.6")


def test_sums_do_not_depend_on_the_order() -> None:
    # With the 28 digits of Decimal's default context the small amounts would be lost, or not.
    far_apart = ("1E+29", "0.000000000000000000000000000001", "-1E+29")
    totals = {
        sums(*(recorded(cost=cost(total)) for total in order)).cost_total_cents
        for order in permutations(far_apart)
    }
    assert totals == {Decimal("1E-28")}


def test_small_latencies_are_not_lost_among_large_ones() -> None:
    events = [recorded(latency_ms=value) for value in (1e12, 5e-324)]
    assert sums(*events).latency_ms_sum.as_tuple().exponent == -324


def test_nothing_folds_to_nothing() -> None:
    assert fold([]) == {}


def test_the_sums_are_the_columns_of_the_published_view() -> None:
    names = {column.name for column in daily_columns()}
    assert names == {*Day.__dataclass_fields__, *Measures.__dataclass_fields__}
