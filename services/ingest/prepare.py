"""Arrivals as events that only have to be appended: read, drafted, sealed. Asks for keys alone."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sealbook.contract.events import InteractionRecorded
from sealbook.errors import InvalidInput
from sealbook.sealing import blind_index
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring
from services.ingest.receive import (
    Arrival,
    Received,
    Rejected,
    SealedArrival,
    receive,
    unsealed,
)
from services.ingest.record import Draft, Rules, draft, sealed
from services.ingest.submission_key import submission_key

FRESH_SECONDS = 20.0


class Repeated(NamedTuple):
    """An arrival under an id that an earlier one of the batch has already."""

    arrival: Arrival
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch without its documents, which take many times the room: what comes of it, in order.

    `events` belong to `arrivals`, one by one, each under an id of its own.
    """

    arrivals: Sequence[Arrival]
    events: Sequence[InteractionRecorded]
    partition_keys: Sequence[str]
    repeated: Sequence[Repeated]
    rejected: Sequence[Rejected]
    rules: Rules
    at: float

    def holds(self, rules: Rules) -> bool:
        """Whether it may still be appended: in time, other rules are in force, or a key is gone."""
        return self.rules is rules and time.monotonic() - self.at < FRESH_SECONDS


class _Drafted(NamedTuple):
    arrivals: list[Arrival]
    drafts: list[Draft]
    repeated: list[Repeated]
    rejected: list[Rejected]


@dataclass(frozen=True, slots=True)
class Preparation:
    """What it takes to prepare: keys, the rules in force."""

    keyring: Keyring
    rules: Callable[[], Rules]
    compress: bool = True

    async def of(self, arrivals: Sequence[Arrival]) -> Prepared:
        """Raises what the keyring raises; and anything a payload brings about in our own code."""
        rules, at = self.rules(), time.monotonic()
        found = await self._drafted(arrivals, rules)
        keys = await self.keyring.for_scopes(one.scope for one in found.drafts)
        events = [sealed(one, keys[one.scope], compress=self.compress) for one in found.drafts]
        partition_keys = [one.partition_key for one in found.drafts]
        return Prepared(
            found.arrivals, events, partition_keys, found.repeated, found.rejected, rules, at
        )

    async def _drafted(self, arrivals: Sequence[Arrival], rules: Rules) -> _Drafted:
        received, rejected = await self._received(arrivals)
        keys = await self._index_keys(one.project for one in received)
        # Beside the event loop: a large document takes seconds, and a detector may.
        return await asyncio.to_thread(_drafted, received, rejected, keys, rules)

    async def _received(self, arrivals: Sequence[Arrival]) -> tuple[list[Received], list[Rejected]]:
        arrived = [receive(arrival) for arrival in arrivals]
        if any(isinstance(one, SealedArrival) for one in arrived):
            # Only then: without it, or with a broken one, all others still go through.
            key = await submission_key(self.keyring)
            arrived = [
                unsealed(one, key) if isinstance(one, SealedArrival) else one for one in arrived
            ]
        received = [one for one in arrived if isinstance(one, Received)]
        return received, [one for one in arrived if isinstance(one, Rejected)]

    async def _index_keys(self, projects: Iterable[str]) -> dict[str, DataKey]:
        scopes = {project: blind_index.index_scope(project) for project in projects}
        keys = await self.keyring.for_scopes(scopes.values())
        return {project: keys[scope] for project, scope in scopes.items()}


def _drafted(
    received: Sequence[Received],
    rejected: Sequence[Rejected],
    keys: dict[str, DataKey],
    rules: Rules,
) -> _Drafted:
    keyed = {project: rules.keyed(key) for project, key in keys.items()}
    found = _Drafted([], [], [], [*rejected])
    seen: set[UUID] = set()
    for one in received:
        try:
            made = draft(one, keys[one.project], keyed[one.project])
        except InvalidInput as error:
            found.rejected.append(Rejected(one.arrival, one.project, "incomplete", str(error)))
            continue
        if one.id in seen:
            found.repeated.append(Repeated(one.arrival, made.event.fingerprint))
            continue
        seen.add(one.id)
        found.arrivals.append(one.arrival)
        found.drafts.append(made)
    return found
