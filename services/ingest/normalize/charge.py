"""What the provider itself says it charged for this exchange, in US dollars.

Only of providers whose documentation says that the figure is the amount billed, and told by the
provider's name: a `cost` in somebody else's usage may be an estimate or in any currency.

OpenRouter  `usage.cost` in credits, one US dollar each; with a key of your own it is OpenRouter's
            fee, and `upstream_inference_cost` is what the model's provider charges beside it
Perplexity  `usage.cost.total_cost`
xAI         `usage.cost_in_usd_ticks`, 10**10 of them to the dollar
"""

from collections.abc import Callable
from decimal import Decimal

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.reading import Fields, as_object

_FIELDS = frozenset({"cost", "cost_in_usd_ticks"})
_MOST = 10**9
_TICK_DIGITS = 10


def charged(provider: str, body: Fields) -> Decimal | None:
    """The amount, or None when the provider does not say."""
    usage = body.get("usage")
    if not isinstance(usage, dict) or _FIELDS.isdisjoint(usage):
        return None
    reader = _READERS.get(provider.strip().lower().replace("_", "-"))
    return reader(usage) if reader else None


def _openrouter(usage: Fields) -> Decimal | None:
    fee = _dollars(usage.get("cost"))
    if usage.get("is_byok") is not True:
        return fee
    upstream = _dollars(as_object(usage.get("cost_details")).get("upstream_inference_cost"))
    return None if fee is None or upstream is None else fee + upstream


def _perplexity(usage: Fields) -> Decimal | None:
    return _dollars(as_object(usage.get("cost")).get("total_cost"))


def _xai(usage: Fields) -> Decimal | None:
    ticks = usage.get("cost_in_usd_ticks")
    if type(ticks) is not int or not 0 <= ticks <= _MOST * 10**_TICK_DIGITS:
        return None
    return Decimal(ticks).scaleb(-_TICK_DIGITS)


def _dollars(value: JsonValue) -> Decimal | None:
    """The digits that were sent: a double's shortest text is what the JSON said."""
    if type(value) is not int and type(value) is not float:
        return None
    return Decimal(repr(value)) if 0 <= value <= _MOST else None


_READERS: dict[str, Callable[[Fields], Decimal | None]] = {
    "openrouter": _openrouter,
    "perplexity": _perplexity,
    "xai": _xai,
    "x-ai": _xai,
    "grok": _xai,
}
