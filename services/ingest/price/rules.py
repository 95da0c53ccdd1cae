"""Own price rules: what one says, when it applies, and how it is read from TOML."""

import fnmatch
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from sealbook.errors import InvalidInput
from services.ingest.price.rates import BUCKETS, Rates

_REMEDY = "Correct the rule and load the file again; no rule of it was taken."


@dataclass(frozen=True, slots=True)
class PriceRule:
    """Prices per `per` tokens for the models a glob names; a bucket left at None has no price.

    `reasoning` alone falls back to `output`: providers bill it as such. `effective_from` is a UTC
    date; None means always.
    """

    model: str
    provider: str | None = None
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    per: Literal[1000, 1_000_000] = 1_000_000
    currency: str = "USD"
    effective_from: date | None = None

    @property
    def source(self) -> str:
        """How an event names this rule."""
        since = f"@{self.effective_from.isoformat()}" if self.effective_from else ""
        return f"rule:{self.model}{since}"

    def applies(self, provider: str, model: str, day: date) -> bool:
        """Whether the rule prices this model of this provider on this day."""
        if self.effective_from is not None and self.effective_from > day:
            return False
        return _matches(self.model, model) and _matches(self.provider or "*", provider)

    def rank(self) -> tuple[int, int, int, int, date]:
        """Greater is better: the more specific model, then provider, then the more recent."""
        return (
            -_wildcards(self.model),
            len(self.model),
            -_wildcards(self.provider or "*"),
            len(self.provider or ""),
            self.effective_from or date.min,
        )

    def rates(self) -> Rates:
        """The rule's prices by usage bucket."""
        prices = {name: price for name in BUCKETS if (price := getattr(self, name)) is not None}
        if "output" in prices:
            prices.setdefault("reasoning", prices["output"])
        return Rates(prices, self.per)


def load_price_rules(text: str) -> tuple[PriceRule, ...]:
    """Rules from TOML, one `[[price]]` table each; numbers are read as decimals, never as floats.

    Raises InvalidInput that names the rule and the field.
    """
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput(f"The price rules are not TOML: {error}.", remedy=_REMEDY) from error
    if unknown := sorted(document.keys() - {"price"}):
        raise InvalidInput(f"The price rules have an unknown table {unknown[0]!r}.", remedy=_REMEDY)
    tables = document.get("price", [])
    if not isinstance(tables, list):
        raise InvalidInput("Price rules are written as [[price]] tables.", remedy=_REMEDY)
    return tuple(_rule(number, table) for number, table in enumerate(tables, start=1))


def _rule(number: int, table: object) -> PriceRule:
    if not isinstance(table, dict):
        raise InvalidInput(f"Price rule {number} is not a table.", remedy=_REMEDY)
    where = f"Price rule {number} ({str(table.get('model', 'without model'))[:80]!r})"
    known = {field.name for field in fields(PriceRule)}
    if unknown := sorted(table.keys() - known):
        raise InvalidInput(f"{where}: unknown field {unknown[0]!r}.", remedy=_REMEDY)
    if not any(bucket in table for bucket in BUCKETS):
        raise InvalidInput(f"{where}: no price; give at least `input`.", remedy=_REMEDY)
    if "model" not in table:
        raise InvalidInput(f"{where}: field `model` is missing.", remedy=_REMEDY)
    return PriceRule(**{name: _field(where, name, value) for name, value in table.items()})


def _field(where: str, name: str, value: object) -> Any:
    """One field's value; Any because the dataclass's fields differ in type."""
    try:
        return _READERS[name](value) if name in _READERS else _amount(value)
    except ValueError as error:
        raise InvalidInput(f"{where}: field `{name}` {error}.", remedy=_REMEDY) from error


def _amount(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("must be a number or a number in quotes")
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise ValueError("is not a decimal number") from error
    if not amount.is_finite() or not 0 <= amount < Decimal(10) ** 9:
        raise ValueError("must be between 0 and 10^9")
    return amount


def _glob(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise ValueError("must be a glob of 1 to 200 characters")
    return value


def _per(value: object) -> Literal[1000, 1_000_000]:
    if isinstance(value, bool) or value not in (1000, 1_000_000):
        raise ValueError("must be 1000 or 1000000")
    return 1000 if value == 1000 else 1_000_000


def _currency(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch("[A-Z]{3}", value):
        raise ValueError("must be an ISO 4217 code such as USD")
    return value


def _date(value: object) -> date:
    if isinstance(value, str):
        return date.fromisoformat(value)
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError("must be a date such as 2026-01-31")
    return value


_READERS: Mapping[str, Any] = {
    "model": _glob,
    "provider": _glob,
    "per": _per,
    "currency": _currency,
    "effective_from": _date,
}


def _matches(glob: str, name: str) -> bool:
    return fnmatch.fnmatchcase(name.lower(), glob.lower())


def _wildcards(glob: str) -> int:
    return sum(glob.count(mark) for mark in "*?[")
