"""Normalize: pure functions from one provider exchange to the one shape Sealbook works with."""

from services.ingest.normalize.exchange import Exchange, Normalized, ToolCall
from services.ingest.normalize.registry import normalize

__all__ = ["Exchange", "Normalized", "ToolCall", "normalize"]
