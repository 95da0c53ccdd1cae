"""The price book: an explicit cost wins, then the best own rule, then the maintained table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache

from sealbook.contract.usage import Usage
from services.ingest.price import table
from services.ingest.price.rates import Rates
from services.ingest.price.rules import PriceRule

_CACHED = 4096
_LONGEST_NAME = 256  # longer names are no model's; they are not worth a search or a cache entry


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of money and where it comes from: `explicit`, `rule:…` or `genai-prices:…`."""

    total: Decimal
    currency: str
    source: str


@dataclass(frozen=True, slots=True)
class _Priced:
    rates: Rates
    currency: str
    source: str


class PriceBook:
    """Prices interactions; lookups are cached per (provider, model, day), arithmetic is exact."""

    def __init__(self, rules: Sequence[PriceRule] = ()) -> None:
        # Best first, so that the first rule that applies is the answer; ties keep the given order.
        self._rules = tuple(sorted(rules, key=PriceRule.rank, reverse=True))
        self._find = lru_cache(_CACHED)(table.find)
        self._priced = lru_cache(_CACHED)(self._look_up)

    def price(
        self,
        *,
        provider: str,
        model: str | None,
        usage: Usage,
        at: datetime,
        explicit: Decimal | None = None,
        currency: str | None = None,
    ) -> Cost | None:
        """The cost of one interaction at its own time, or None when it cannot be known."""
        if explicit is not None:
            return _explicit(explicit, currency)
        if not model or not provider or max(len(model), len(provider)) > _LONGEST_NAME:
            return None
        moment = _utc(at)
        priced = self._priced(provider, model, moment.date(), self._clock(provider, model, moment))
        if priced is None or (total := priced.rates.cost(usage)) is None:
            return None
        return Cost(total, priced.currency, priced.source)

    def _clock(self, provider: str, model: str, moment: datetime) -> time | None:
        found = self._find(provider, model)
        if found is None or not table.changes_within_a_day(found[1]):
            return None
        return moment.time().replace(second=0, microsecond=0)

    def _look_up(self, provider: str, model: str, day: date, clock: time | None) -> _Priced | None:
        for rule in self._rules:
            if rule.applies(provider, model, day):
                return _Priced(rule.rates(), rule.currency, rule.source)
        if (found := self._find(provider, model)) is None:
            return None
        source, info = found
        return _Priced(
            table.rates(info, datetime.combine(day, clock or time(), UTC)), "USD", source
        )


def _explicit(total: Decimal, currency: str | None) -> Cost | None:
    # A sum that is no sum of money stays unknown; computing another in its place would hide it.
    if not total.is_finite() or total < 0:
        return None
    return Cost(total, currency or "USD", "explicit")


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)
    except OverflowError:  # year 1 or 9999 near the edge of the calendar
        return at.replace(tzinfo=UTC)
