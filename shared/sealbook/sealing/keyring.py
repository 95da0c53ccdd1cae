"""Data keys by scope or id: made when first needed, wrapped at rest, cached for five minutes."""

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar
from uuid import UUID

from sealbook.contract.ids import new_id
from sealbook.errors import (
    KeyUnavailable,
    Misconfigured,
    SealbookError,
    SealBroken,
    Unavailable,
)
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.scope import PROBE, Scope

logger = logging.getLogger("sealbook.keys")

CACHE_SECONDS = 300.0
CACHE_KEYS = 50_000
ARRIVAL_SECONDS = 180.0
"""How long a key-encryption key that others use already may be on its way here: Kubernetes takes
two minutes to bring a Secret to every pod, a restart with new settings no longer."""

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored: encrypted under the key-encryption key `kek_id`."""

    id: UUID
    scope: Scope
    kek_id: str
    wrapped: bytes


class KeyProvider(Protocol):
    """Holds key-encryption keys and never gives them out: a file, Vault, a KMS."""

    @property
    def at_once(self) -> int:
        """How many keys to wrap or unwrap at a time: many where each waits for the network."""
        ...

    async def active(self) -> str:
        """The id of the key-encryption key that `wrap` uses now. Raises as `wrap` does."""
        ...

    async def wrap(self, secret: bytes, context: bytes) -> tuple[str, bytes]:
        """(id of the key-encryption key used, wrapped bytes).

        Raises Unavailable when the provider cannot be reached, Misconfigured when it refuses.
        """
        ...

    async def unwrap(self, kek_id: str, wrapped: bytes, context: bytes) -> bytes:
        """The secret.

        Raises SealBroken when the bytes do not authenticate, KeyUnavailable when that
        key-encryption key is gone, and else as `wrap` does.
        """
        ...


async def try_out(provider: KeyProvider) -> None:
    """Raise what keeps the provider from wrapping, or from unwrapping: it may allow only one."""
    await provider.unwrap(*await provider.wrap(bytes(32), PROBE), PROBE)


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
        self._missed: dict[str, float] = {}
        self._failed = False

    async def for_scopes(self, scopes: Iterable[Scope]) -> dict[Scope, DataKey]:
        """A key for every scope; keys that do not exist yet are made."""
        wanted = set(scopes)
        found = {scope: key for scope in wanted if (key := self._cached(scope))}
        missing = wanted - found.keys()
        if missing:
            stored = await self._store.by_scope(missing)
            unknown = missing - {key.scope for key in stored}
            if unknown:
                await self._store.add(await self._each(self._make, unknown))
                # Another process may have been first: what the store holds counts.
                stored = await self._store.by_scope(missing)
            keys = await self._each(self._unwrap, stored)
            for wrapped, key in zip(stored, keys, strict=True):
                found[wrapped.scope] = key
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
            for key in await self._each(self._unwrap, await self._store.by_id(missing)):
                found[key.id] = key
        return found

    async def active(self) -> str:
        """The id of the key-encryption key that new data keys are wrapped under."""
        return await self._provider.active()

    async def rewrap(self, keys: Sequence[WrappedKey]) -> list[WrappedKey]:
        """The same data keys under the active key-encryption key.

        Those that cannot be unwrapped are left out: trying again would not help them.
        """
        tried = await self._each(self._rewrap, keys)
        failed = [error for error in tried if isinstance(error, SealbookError)]
        if failed:
            counts = len(failed), len(keys)
            logger.warning("%d of %d data keys stay as they are: %s", *counts, failed[0])
        return [key for key in tried if isinstance(key, WrappedKey)]

    async def check(self) -> None:
        """Raise while the provider fails those who need it. It is asked only after it has failed:
        what is cached needs no provider, and asking costs money at some."""
        if self._failed:
            await try_out(self._provider)
            self._failed = False

    def forget(self) -> None:
        """Drop every cached key; called when one was destroyed."""
        self._cache.clear()

    async def _rewrap(self, key: WrappedKey) -> WrappedKey | SealbookError:
        context = key.scope.context(key.id)
        try:
            secret = await self._provider.unwrap(key.kek_id, key.wrapped, context)
        except (SealBroken, KeyUnavailable) as error:
            return error
        kek_id, wrapped = await self._provider.wrap(secret, context)
        return replace(key, kek_id=kek_id, wrapped=wrapped)

    async def _make(self, scope: Scope) -> WrappedKey:
        key_id = new_id()
        with self._noticed():
            kek_id, wrapped = await self._provider.wrap(os.urandom(32), scope.context(key_id))
        return WrappedKey(key_id, scope, kek_id, wrapped)

    async def _unwrap(self, wrapped: WrappedKey) -> DataKey:
        key = DataKey(wrapped.id, await self._secret(wrapped))
        expires = self._clock() + CACHE_SECONDS
        for name in (wrapped.scope, wrapped.id):
            self._cache[name] = (expires, key)
            self._cache.move_to_end(name)
        while len(self._cache) > CACHE_KEYS:
            self._cache.popitem(last=False)
        return key

    async def _secret(self, wrapped: WrappedKey) -> bytes:
        """Raises Unavailable while its key-encryption key may still be on its way here, and only
        then KeyUnavailable: that condemns submissions and exports."""
        context = wrapped.scope.context(wrapped.id)
        try:
            with self._noticed():
                secret = await self._provider.unwrap(wrapped.kek_id, wrapped.wrapped, context)
        except KeyUnavailable as error:
            now = self._clock()
            if now - self._missed.setdefault(wrapped.kek_id, now) < ARRIVAL_SECONDS:
                raise Unavailable(
                    f"{error.message} It may be on its way here.", remedy=error.remedy
                ) from None
            raise
        self._missed.pop(wrapped.kek_id, None)
        return secret

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        try:
            yield
        except (Unavailable, Misconfigured):
            self._failed = True
            raise

    def _cached(self, name: Scope | UUID) -> DataKey | None:
        # All of them live equally long, so the oldest come first.
        while self._cache and next(iter(self._cache.values()))[0] <= self._clock():
            self._cache.popitem(last=False)
        found = self._cache.get(name)
        return found[1] if found else None

    async def _each(self, work: Callable[[K], Awaitable[T]], items: Collection[K]) -> list[T]:
        """`work` for every item, in order; the first error is raised."""
        if self._provider.at_once == 1:
            return [await work(item) for item in items]
        free = asyncio.Semaphore(self._provider.at_once)

        async def one(item: K) -> T:
            async with free:
                return await work(item)

        return await asyncio.gather(*map(one, items))
