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
# "openai-compatible" server as OpenAI. Dots and underscores are hyphens here, so that the names of
# OpenTelemetry ("gcp.vertex_ai") are among them.
ALIASES = {
    "amazon": "aws",
    "amazon-bedrock": "aws",
    "aws-bedrock": "aws",
    "bedrock": "aws",
    "az-ai-inference": "azure",
    "az-ai-openai": "azure",
    "azure-ai": "azure",
    "azure-ai-inference": "azure",
    "azure-ai-openai": "azure",
    "azure-openai": "azure",
    "fireworks-ai": "fireworks",
    "gcp-gemini": "google",
    "gcp-gen-ai": "google",
    "gcp-vertex-ai": "google",
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


# Tiers that pay the list price. "auto" is what was asked for, the others are what served.
_STANDARD_TIERS = (None, "default", "auto", "standard", "standard_only", "on_demand")
# Google's resource names: "models/m", "publishers/google/models/m", "projects/…/models/m".
_RESOURCE = "models/"


def known_as(provider: str) -> str:
    """The table's id for a provider, else the name in the table's way of writing."""
    name = provider.lower().strip().replace("_", "-").replace(".", "-")
    return ALIASES.get(name, name)


def asked_name_tells_more(provider: str) -> bool:
    """Bedrock: the id asked for names the region's prices, the answer only the maker's model."""
    return known_as(provider) == "aws"


def find(provider: str, model: str) -> tuple[str, ModelInfo] | None:
    """The name used as the cost's source and the table's entry, or None when it has none."""
    providers = get_snapshot().providers
    wanted = known_as(provider)
    entry = next((entry for entry in providers if entry.id == wanted), None)
    if entry is None:
        return None
    if wanted == "google":
        model = model.rpartition(_RESOURCE)[2]
    # Not the snapshot's own lookup: it caches every name it is asked for, without a bound.
    info = entry.find_model(model, all_providers=providers)
    return None if info is None else (f"genai-prices:{_owner(entry, info)}/{info.id}", info)


def changes_within_a_day(info: ModelInfo) -> bool:
    """Whether the model has off-peak hours, so that the date alone does not settle its price."""
    if isinstance(info.prices, ModelPrice):
        return False
    return any(isinstance(price.constraint, TimeOfDateConstraint) for price in info.prices)


def rates(info: ModelInfo, at: datetime, tier: str | None = None) -> Rates | None:
    """The model's prices at a moment, by our usage buckets; None when the tier's are not known."""
    context = None if is_standard(tier) else _context(info, at, str(tier))
    if context is None and not is_standard(tier):
        return None
    price = info.get_prices(at, context)
    found = {bucket: _first(price, units) for bucket, units in UNITS.items()}
    per_thousand_requests = price.requests_kcount
    fee = per_thousand_requests / 1000 if isinstance(per_thousand_requests, Decimal) else Decimal(0)
    known = {bucket: price for bucket, price in found.items() if price is not None}
    return Rates(known, 1_000_000, fee, _first(price, ("cache_write_1h_mtok",)))


def is_standard(tier: str | None) -> bool:
    """Whether this tier pays the list price."""
    return tier in _STANDARD_TIERS


def is_own(provider: str, source: str) -> bool:
    """Whether the price is the provider's own and not that of the maker whose model it resells."""
    return source.startswith(f"genai-prices:{known_as(provider)}/")


def _context(info: ModelInfo, at: datetime, tier: str) -> dict[str, str] | None:
    """The table's own words for a tier, if it has prices for it at that moment."""
    for variant in info.price_variants or ():
        active = variant.constraint is None or variant.constraint.active(at)
        if active and list(variant.when.values()) == [tier]:
            return variant.when
    return None


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
