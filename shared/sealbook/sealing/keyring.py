"""Data keys by scope or id: made when first needed, wrapped at rest, cached for five minutes."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from sealbook.contract.ids import new_id
from sealbook.sealing.cipher import DataKey

CACHE_SECONDS = 300.0
CACHE_KEYS = 50_000

Purpose = Literal["subject", "day", "index", "service"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What one data key is for: a data subject's payloads, a project's payloads of a day, its
    blind index, or a service's own records. Destroying the key erases exactly that."""

    project: str
    purpose: Purpose
    name: str

    def context(self, key_id: UUID) -> bytes:
        """What a wrapped key is bound to, so that it cannot pose as another scope's."""
        return "\0".join((str(key_id), self.project, self.purpose, self.name)).encode()


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored: encrypted under the key-encryption key `kek_id`."""

    id: UUID
    scope: Scope
    kek_id: str
    wrapped: bytes


class KeyProvider(Protocol):
    """Holds key-encryption keys and never gives them out: a file, Vault, a KMS."""

    async def wrap(self, secret: bytes, context: bytes) -> tuple[str, bytes]:
        """(id of the key-encryption key used, wrapped bytes)."""
        ...

    async def unwrap(self, kek_id: str, wrapped: bytes, context: bytes) -> bytes:
        """The secret. Raises SealBroken or KeyUnavailable."""
        ...


class KeyStore(Protocol):
    """Where wrapped keys rest. `add` keeps the first of two keys for one scope."""

    async def by_scope(self, scopes: Collection[Scope]) -> list[WrappedKey]: ...

    async def by_id(self, ids: Collection[UUID]) -> list[WrappedKey]: ...

    async def add(self, keys: Collection[WrappedKey]) -> None: ...


class Keyring:
    """Unwrapped data keys, fetched and made in sets, so that a batch costs one round trip."""

    def __init__(
        self,
        store: KeyStore,
        provider: KeyProvider,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._provider = provider
        self._clock = clock
        self._cache: OrderedDict[Scope | UUID, tuple[float, DataKey]] = OrderedDict()

    async def for_scopes(self, scopes: Iterable[Scope]) -> dict[Scope, DataKey]:
        """A key for every scope; keys that do not exist yet are made."""
        wanted = set(scopes)
        found = {scope: key for scope in wanted if (key := self._cached(scope))}
        missing = wanted - found.keys()
        if missing:
            stored = await self._store.by_scope(missing)
            unknown = missing - {key.scope for key in stored}
            if unknown:
                await self._store.add([await self._make(scope) for scope in unknown])
                # Another process may have been first: what the store holds counts.
                stored = await self._store.by_scope(missing)
            for wrapped in stored:
                found[wrapped.scope] = await self._unwrap(wrapped)
        return found

    async def existing(self, scope: Scope) -> DataKey | None:
        """The key of a scope if there is one; a question must not make keys."""
        if key := self._cached(scope):
            return key
        for wrapped in await self._store.by_scope([scope]):
            return await self._unwrap(wrapped)
        return None

    async def for_ids(self, ids: Iterable[UUID]) -> dict[UUID, DataKey]:
        """The keys that still exist; a destroyed one is left out."""
        wanted = set(ids)
        found = {key_id: key for key_id in wanted if (key := self._cached(key_id))}
        missing = wanted - found.keys()
        if missing:
            for wrapped in await self._store.by_id(missing):
                found[wrapped.id] = await self._unwrap(wrapped)
        return found

    def forget(self) -> None:
        """Drop every cached key; called when one was destroyed."""
        self._cache.clear()

    async def _make(self, scope: Scope) -> WrappedKey:
        key_id = new_id()
        kek_id, wrapped = await self._provider.wrap(os.urandom(32), scope.context(key_id))
        return WrappedKey(key_id, scope, kek_id, wrapped)

    async def _unwrap(self, wrapped: WrappedKey) -> DataKey:
        secret = await self._provider.unwrap(
            wrapped.kek_id, wrapped.wrapped, wrapped.scope.context(wrapped.id)
        )
        key = DataKey(wrapped.id, secret)
        expires = self._clock() + CACHE_SECONDS
        for name in (wrapped.scope, wrapped.id):
            self._cache[name] = (expires, key)
            self._cache.move_to_end(name)
        while len(self._cache) > CACHE_KEYS:
            self._cache.popitem(last=False)
        return key

    def _cached(self, name: Scope | UUID) -> DataKey | None:
        expires, key = self._cache.get(name, (0.0, None))
        return key if expires > self._clock() else None
