"""A provider, a store and a clock for keyrings, in memory."""

import asyncio
from collections.abc import Collection
from uuid import UUID, uuid4

from sealbook.errors import KeyUnavailable, SealBroken
from sealbook.sealing.keyring import WrappedKey
from sealbook.sealing.scope import Scope

ADA = Scope("support", "subject", "ada")
DAY = Scope("support", "day", "2026-01-01")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Provider:
    """Wraps by remembering; says no to a context that is not the one of the wrapping."""

    def __init__(self, at_once: int = 1) -> None:
        self.at_once = at_once
        self.kek_id = "kek-1"
        self.wrapped: dict[bytes, tuple[str, bytes, bytes]] = {}
        self.unwraps = 0
        self.busy = 0
        self.busiest = 0
        self.fails: Exception | None = None

    async def active(self) -> str:
        await self._ask()
        return self.kek_id

    async def wrap(self, secret: bytes, context: bytes) -> tuple[str, bytes]:
        await self._ask()
        name = uuid4().bytes
        self.wrapped[name] = (self.kek_id, secret, context)
        return self.kek_id, name

    async def unwrap(self, kek_id: str, wrapped: bytes, context: bytes) -> bytes:
        self.unwraps += 1
        await self._ask()
        if wrapped not in self.wrapped:
            raise KeyUnavailable("It is gone.")
        wrapped_under, secret, wrapped_with = self.wrapped[wrapped]
        if (kek_id, context) != (wrapped_under, wrapped_with):
            raise SealBroken("The context is another one.")
        return secret

    async def _ask(self) -> None:
        """As long as a round trip; at least until all that may go on at a time do."""
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        await asyncio.sleep(0.001 if self.at_once > 1 else 0)
        self.busy -= 1
        if self.fails:
            raise self.fails


class Store:
    """Rows in memory, the first key of a scope stays; `reads` counts round trips."""

    def __init__(self) -> None:
        self.keys: dict[Scope, WrappedKey] = {}
        self.reads = 0

    async def by_scope(self, scopes: Collection[Scope]) -> list[WrappedKey]:
        self.reads += 1
        return [self.keys[scope] for scope in scopes if scope in self.keys]

    async def by_id(self, ids: Collection[UUID]) -> list[WrappedKey]:
        self.reads += 1
        return [key for key in self.keys.values() if key.id in ids]

    async def add(self, keys: Collection[WrappedKey]) -> None:
        for key in keys:
            self.keys.setdefault(key.scope, key)


class SlowStore(Store):
    """Another process adds its own keys just before ours arrive."""

    def __init__(self, first: Collection[WrappedKey]) -> None:
        super().__init__()
        self._first = first

    async def add(self, keys: Collection[WrappedKey]) -> None:
        await super().add(self._first)
        await super().add(keys)
