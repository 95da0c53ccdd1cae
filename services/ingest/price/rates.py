"""Unit prices of one model at one moment, and the only arithmetic done per event."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal

from sealbook.contract.usage import Usage

INPUT_BUCKETS = ("input", "cache_read", "cache_write", "audio_input")
OUTPUT_BUCKETS = ("output", "reasoning", "audio_output")
BUCKETS = INPUT_BUCKETS + OUTPUT_BUCKETS

# Wide enough that no product of a 64-bit count and a price is ever rounded.
EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Tiered:
    """A price that depends on the whole input's size; a crossed threshold prices all tokens."""

    base: Decimal
    steps: tuple[tuple[int, Decimal], ...]

    def at(self, input_total: int) -> Decimal:
        """The price of the highest step the input is above."""
        crossed = (price for start, price in reversed(self.steps) if input_total > start)
        return next(crossed, self.base)


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices per `per` tokens, by usage bucket; a bucket that is absent has no known price."""

    prices: Mapping[str, Decimal | Tiered]
    per: int
    request: Decimal = field(default=Decimal(0))
    cache_write_1h: Decimal | Tiered | None = None

    def cost(self, usage: Usage, cache_write_1h: int = 0) -> Decimal | None:
        """The exact cost, or None when a billed bucket or a whole billed direction is unknown.

        `cache_write_1h` is how many of the cache writes are kept for an hour.
        """
        if not self.prices:  # billed by the request alone: tokens, told or not, change nothing
            return self.request or None
        known = usage.known()
        if not known or any(not _is_count(count) for count in known.values()):
            return None
        if self._silent(known, INPUT_BUCKETS) or self._silent(known, OUTPUT_BUCKETS):
            return None
        billed = {bucket: count for bucket, count in known.items() if count}
        if not billed.keys() <= self.prices.keys():
            return None
        input_total = sum(known.get(bucket, 0) for bucket in INPUT_BUCKETS)
        total = Decimal(0)
        for price, count in self._priced(billed, cache_write_1h):
            unit = price.at(input_total) if isinstance(price, Tiered) else price
            total = EXACT.add(total, EXACT.multiply(unit, Decimal(count)))
        return EXACT.add(EXACT.divide(total, Decimal(self.per)), self.request)

    def _priced(
        self, billed: Mapping[str, int], cache_write_1h: int
    ) -> Iterator[tuple[Decimal | Tiered, int]]:
        """Every price with the tokens it is for."""
        for bucket, count in billed.items():
            if bucket == "cache_write" and self.cache_write_1h is not None:
                long = min(cache_write_1h, count)
                yield self.cache_write_1h, long
                yield self.prices[bucket], count - long
            else:
                yield self.prices[bucket], count

    def _silent(self, known: Mapping[str, int], direction: tuple[str, ...]) -> bool:
        """Nothing was said about a direction that costs money: its part of the bill is unknown."""
        if any(bucket in known for bucket in direction):
            return False
        return any(self.prices.get(bucket) for bucket in direction)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
