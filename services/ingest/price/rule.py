"""Own price rules: what one says, when it applies, and which of two is the better one."""

import fnmatch
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Literal

from sealbook.contract.documents import JsonValue
from services.ingest.price.rates import BUCKETS, Rates


@dataclass(frozen=True, slots=True)
class PriceRule:
    """Prices per `per` tokens for the models a glob names; a bucket left at None has no price.

    `reasoning` alone falls back to `output`: providers bill it as such. `request` is a fee per
    interaction, whatever its tokens. `effective_from` is a UTC date; None means always.
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
    request: Decimal | None = None
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
        return Rates(prices, self.per, self.request or Decimal(0))

    def listing(self) -> dict[str, JsonValue]:
        """What the rule says, as it can be read again from JSON."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value if name == "per" else _written(value)
            for name, value in said.items()
            if value is not None
        }


def _written(value: str | Decimal | date) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _matches(glob: str, name: str) -> bool:
    return fnmatch.fnmatchcase(name.lower(), glob.lower())


def _wildcards(glob: str) -> int:
    return sum(glob.count(mark) for mark in "*?[")
