"""Laws of the rollup: how events fall into batches, and in which order, changes no sum."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from sealbook.contract.events import Cost, InteractionRecorded
from sealbook.contract.usage import Usage
from services.rollup.measures import Day, Measures, fold

# As PostgreSQL's numeric adds: without rounding.
EXACT = Context(prec=2000)

tokens = st.none() | st.integers(0, 2**53)
costs = st.decimals(0, allow_nan=False, allow_infinity=False).filter(
    lambda total: int(total.as_tuple().exponent) >= -30 and total < Decimal("1e30")
)
events = st.builds(
    InteractionRecorded,
    id=st.just(UUID(int=1)),
    project=st.sampled_from(["support", "sales"]),
    provider=st.just("openai"),
    model=st.sampled_from(["m", "n"]),
    kind=st.just("chat"),
    status=st.sampled_from(["success", "error", "canceled"]),
    usage=st.builds(Usage, input=tokens, cache_read=tokens, output=tokens, reasoning=tokens),
    cost=st.none()
    | st.builds(
        Cost, total=costs, currency=st.sampled_from(["USD", "EUR"]), source=st.just("explicit")
    ),
    latency_ms=st.none() | st.floats(0, 1e12),
    occurred_at=st.integers(0, 50).map(
        lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    ),
    policy_version=st.just("p"),
    fingerprint=st.just("f"),
    sealed=st.just(b""),
)


def added(one: Any, other: Any) -> Any:
    return EXACT.add(one, other) if isinstance(one, Decimal) else one + other


def merged(batches: Iterable[Iterable[InteractionRecorded]]) -> dict[Day, Measures]:
    """As the projector's upsert does: each batch is folded, its rows added to those there."""
    rows: dict[Day, Measures] = {}
    for batch in batches:
        for day, new in fold(batch).items():
            old = rows.get(day, Measures())
            names = [field.name for field in fields(Measures)]
            sums = {name: added(getattr(old, name), getattr(new, name)) for name in names}
            rows[day] = Measures(**sums)
    return rows


def cut(items: list[InteractionRecorded], at: list[int]) -> list[list[InteractionRecorded]]:
    places = [0, *sorted(place % (len(items) + 1) for place in at), len(items)]
    return [items[start:end] for start, end in pairwise(places)]


@given(items=st.lists(events, max_size=8), at=st.lists(st.integers(0, 100), max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_batches_add_up_to_the_fold_over_all(
    items: list[InteractionRecorded], at: list[int]
) -> None:
    batches = cut(items, at)
    assert [item for batch in batches for item in batch] == items
    assert merged(batches) == fold(items)


@given(data=st.data(), items=st.lists(events, max_size=6))
@settings(max_examples=150, deadline=None)
def test_the_order_of_events_changes_no_sum(
    data: st.DataObject, items: list[InteractionRecorded]
) -> None:
    assert fold(data.draw(st.permutations(items))) == fold(items)


@given(items=st.lists(events, max_size=8))
@settings(max_examples=150, deadline=None)
def test_every_interaction_counts_once(items: list[InteractionRecorded]) -> None:
    rows = fold(items).values()
    assert sum(row.calls for row in rows) == len(items)
    assert sum(row.errors for row in rows) == sum(item.status == "error" for item in items)
    unknown = sum(row.unknown_cost_count for row in rows)
    assert unknown == sum(item.cost is None for item in items)
    assert all(row.unknown_usage_count <= row.calls for row in rows)


@given(items=st.lists(events, max_size=8))
@settings(max_examples=150, deadline=None)
def test_currencies_never_mix(items: list[InteractionRecorded]) -> None:
    for currency in ("USD", "EUR"):
        amounts = [
            item.cost.total for item in items if item.cost and item.cost.currency == currency
        ]
        total = Decimal(0)
        for amount in amounts:
            total = EXACT.add(total, EXACT.multiply(amount, 100))
        rows = [sums for day, sums in fold(items).items() if day.currency == currency]
        in_rows = Decimal(0)
        for sums in rows:
            in_rows = EXACT.add(in_rows, sums.cost_total_cents)
        assert in_rows == total
