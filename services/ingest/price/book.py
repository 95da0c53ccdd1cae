"""The price book: who says what an interaction cost, in which order they are asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache

from sealbook.contract.documents import JsonValue
from sealbook.contract.usage import Usage
from services.ingest.price import table
from services.ingest.price.rates import Rates
from services.ingest.price.rule import PriceRule

_CACHED = 4096
_LONGEST_NAME = 256  # longer names are no model's; they are not worth a search or a cache entry


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of money and where it comes from: `explicit`, `rule:…`, `reported:…` or
    `genai-prices:…`."""

    total: Decimal
    currency: str
    source: str


@dataclass(frozen=True, slots=True)
class _Priced:
    rates: Rates
    currency: str
    source: str


class PriceBook:
    """Prices interactions: an explicit cost wins, then the best own rule, then what the provider
    says it charged, then the maintained table. Lookups are cached per (provider, model, day);
    arithmetic is exact."""

    def __init__(self, rules: Sequence[PriceRule] = ()) -> None:
        # Best first, so that the first rule that applies is the answer; ties keep the given order.
        self._rules = tuple(sorted(rules, key=PriceRule.rank, reverse=True))
        self._find = lru_cache(_CACHED)(table.find)
        self._ruled = lru_cache(_CACHED)(self._best_rule)
        self._listed = lru_cache(_CACHED)(self._table_price)

    def listing(self) -> list[dict[str, JsonValue]]:
        """The own rules, the one that is tried first at the top."""
        return [rule.listing() for rule in self._rules]

    def price(
        self,
        *,
        provider: str,
        model: str | None,
        usage: Usage,
        at: datetime,
        cache_write_1h: int | None = None,
        answered: str | None = None,
        tier: str | None = None,
        explicit: Decimal | None = None,
        currency: str | None = None,
        reported: Decimal | None = None,
    ) -> Cost | None:
        """The cost of one interaction at its own time, or None when it cannot be known.

        `model` is the one that was asked, `answered` the one that answered, `tier` the provider's
        service tier, `reported` what the provider says it charged, in US dollars;
        `cache_write_1h` is the part of `usage.cache_write` that is kept for an hour.
        """
        if explicit is not None:
            return _explicit(explicit, currency)
        if not provider or len(provider) > _LONGEST_NAME:
            return None
        names = [name for name in (model, answered) if name and len(name) <= _LONGEST_NAME]
        moment = _utc(at)
        ruled = self._by_rule(provider, names, moment.date())
        if ruled and (cost := _cost(ruled, usage, 0)):
            return cost
        if reported is not None:
            return Cost(reported, "USD", f"reported:{table.known_as(provider)}")
        # A rule that lacks a price for a bucket says: unknown. The table must not contradict it.
        listed = None if ruled else self._by_table(provider, names, moment, tier)
        return _cost(listed, usage, cache_write_1h or 0) if listed else None

    def _by_rule(self, provider: str, names: Sequence[str], day: date) -> _Priced | None:
        found = (self._ruled(provider, name, day) for name in names)
        return next((priced for priced in found if priced), None)

    def _by_table(
        self, provider: str, names: Sequence[str], moment: datetime, tier: str | None
    ) -> _Priced | None:
        """What answered is what is billed: the name asked may be an alias or a deployment's."""
        ordered = names if table.asked_name_tells_more(provider) else names[::-1]
        for name in ordered:
            if found := self._find(provider, name):
                # Only off-peak hours make the clock matter, and so a part of the cached lookup.
                timed = table.changes_within_a_day(found[1])
                clock = moment.time().replace(second=0, microsecond=0) if timed else None
                return self._listed(provider, name, moment.date(), clock, tier)
        return None

    def _best_rule(self, provider: str, model: str, day: date) -> _Priced | None:
        for rule in self._rules:
            if rule.applies(provider, model, day):
                return _Priced(rule.rates(), rule.currency, rule.source)
        return None

    def _table_price(
        self, provider: str, model: str, day: date, clock: time | None, tier: str | None
    ) -> _Priced | None:
        if (found := self._find(provider, model)) is None:
            return None
        source, info = found
        if not (table.is_standard(tier) or table.is_own(provider, source)):
            return None  # what a reseller's tier costs, its maker's list does not say
        rates = table.rates(info, datetime.combine(day, clock or time(), UTC), tier)
        return None if rates is None else _Priced(rates, "USD", source)


def _cost(priced: _Priced, usage: Usage, cache_write_1h: int) -> Cost | None:
    total = priced.rates.cost(usage, cache_write_1h)
    return None if total is None else Cost(total, priced.currency, priced.source)


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
