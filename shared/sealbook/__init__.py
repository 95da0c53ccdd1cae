"""Sealbook: the flight recorder for LLM applications."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealbook.recorder import BlockingRecorder, Receipt, Recorder

__all__ = ["BlockingRecorder", "Receipt", "Recorder"]


def __getattr__(name: str) -> object:
    # Lazily: the contract is imported everywhere, and needs neither NATS nor an event loop.
    if name in __all__:
        from sealbook import recorder  # noqa: PLC0415

        return getattr(recorder, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
