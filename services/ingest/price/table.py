"""Prices from the bundled `genai-prices` table: our provider names and buckets, its ids and units.

Nothing here fetches: the library only does so when `UpdatePrices` is started, which we never do.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    Provider,
    TieredPrices,
    TimeOfDateConstraint,
)

from services.ingest.price.rates import Rates, Tiered

# Only exact names: the library also matches by substring, which would price a self-hosted
# "openai-compatible" server as OpenAI.
ALIASES = {
    "amazon": "aws",
    "amazon-bedrock": "aws",
    "aws-bedrock": "aws",
    "bedrock": "aws",
    "azure-ai": "azure",
    "azure-openai": "azure",
    "fireworks-ai": "fireworks",
    "gemini": "google",
    "google-ai": "google",
    "google-genai": "google",
    "google-gemini": "google",
    "google-vertex": "google",
    "vertex": "google",
    "vertex-ai": "google",
    "vertexai": "google",
    "grok": "x-ai",
    "xai": "x-ai",
    "kimi": "moonshotai",
    "moonshot": "moonshotai",
    "mistral-ai": "mistral",
    "mistralai": "mistral",
    "together-ai": "together",
    "togetherai": "together",
    "voyage": "voyageai",
}

# The table's convention: a unit without a price of its own is billed like the unit that holds it.
UNITS = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write": ("cache_write_mtok", "input_mtok"),
    "audio_input": ("input_audio_mtok", "input_mtok"),
    "output": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
    "audio_output": ("output_audio_mtok", "output_mtok"),
}


def find(provider: str, model: str) -> tuple[str, ModelInfo] | None:
    """The name used as the cost's source and the table's entry, or None when it has none."""
    providers = get_snapshot().providers
    name = provider.lower().strip().replace("_", "-")
    wanted = ALIASES.get(name, name)
    entry = next((entry for entry in providers if entry.id == wanted), None)
    if entry is None:
        return None
    # Not the snapshot's own lookup: it caches every name it is asked for, without a bound.
    info = entry.find_model(model, all_providers=providers)
    return None if info is None else (f"genai-prices:{_owner(entry, info)}/{info.id}", info)


def changes_within_a_day(info: ModelInfo) -> bool:
    """Whether the model has off-peak hours, so that the date alone does not settle its price."""
    if isinstance(info.prices, ModelPrice):
        return False
    return any(isinstance(price.constraint, TimeOfDateConstraint) for price in info.prices)


def rates(info: ModelInfo, at: datetime) -> Rates:
    """The model's prices at a moment, by our usage buckets."""
    price = info.get_prices(at)
    found = {bucket: _first(price, units) for bucket, units in UNITS.items()}
    per_thousand_requests = price.requests_kcount
    fee = per_thousand_requests / 1000 if isinstance(per_thousand_requests, Decimal) else Decimal(0)
    return Rates({k: v for k, v in found.items() if v is not None}, 1_000_000, fee)


def _first(price: ModelPrice, units: Iterable[str]) -> Decimal | Tiered | None:
    for unit in units:
        value: Decimal | TieredPrices | None = getattr(price, unit)
        if isinstance(value, TieredPrices):
            return Tiered(value.base, tuple((tier.start, tier.price) for tier in value.tiers))
        if value is not None:
            return value
    return None


def _owner(provider: Provider, info: ModelInfo) -> str:
    """The provider whose price is used: resellers such as Azure fall back to the maker's list."""
    if any(info is own for own in provider.models):
        return provider.id
    owners = (other for other in get_snapshot().providers if any(info is m for m in other.models))
    return next((owner.id for owner in owners), provider.id)
