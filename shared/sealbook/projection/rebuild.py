"""Builds a projection anew from the log beside the live one, proves them equal, swaps them."""

import asyncio
import time
from dataclasses import dataclass

from nats.aio.client import Client
from sqlalchemy import Connection

from sealbook.contract import subjects
from sealbook.errors import Conflict
from sealbook.projection import commit, generation
from sealbook.projection.digest import Digests, digests
from sealbook.projection.generation import Generation
from sealbook.projection.projector import Projector
from sealbook.runtime.database import Database
from sealbook.stream.cursor import LogCursor

BATCH_MESSAGES = 2_000
STALL_SECONDS = 30.0


class Diverged(Conflict):
    """The rebuilt rows differ from the live ones; the live ones still serve."""

    code = "diverged"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did."""

    projection: str
    generation: int
    position: int
    events: int
    equal: bool
    digests: Digests
    seconds: float


class Rebuild:
    """One rebuild of one projection."""

    def __init__(self, client: Client, database: Database, projector: Projector) -> None:
        self._client = client
        self._database = database
        self._projector = projector
        self._events = 0

    async def run(self, *, accept_difference: bool = False) -> Rebuilt:
        """Build generation n+1 up to the live position, compare, swap in one transaction.

        Raises:
            Diverged: the digests differ and the difference was not accepted in advance.
        """
        started = time.monotonic()
        current, new = await self._database.run(self._begin)
        await self._catch_up(new, await self._position(current))
        # From here on the live runner waits at the registry row, so that both stand still.
        async with self._database.session() as session, asyncio.timeout(STALL_SECONDS * 4):
            transaction = await asyncio.to_thread(session.begin)
            try:
                position = await asyncio.to_thread(self._freeze, session, current)
                await self._catch_up(new, position)
                equal, found = await asyncio.to_thread(
                    self._compare_and_swap, session, current, new, accept_difference
                )
                await asyncio.to_thread(transaction.commit)
            finally:
                if transaction.is_active:
                    await asyncio.to_thread(transaction.rollback)
        seconds = time.monotonic() - started
        return Rebuilt(
            self._projector.name, new.number, position, self._events, equal, found, seconds
        )

    def _begin(self, connection: Connection) -> tuple[Generation, Generation]:
        current = generation.live(connection, self._projector.name)
        new = Generation(current.name, current.number + 1)
        new.create(connection, self._projector)
        return current, new

    def _freeze(self, connection: Connection, current: Generation) -> int:
        found = generation.live(connection, current.name, lock="FOR UPDATE")
        if found != current:
            raise Conflict(
                f"Another rebuild of {current.name} finished first (generation {found.number}).",
                remedy="Nothing to do, or start another one.",
            )
        return current.position(connection)

    def _compare_and_swap(
        self,
        connection: Connection,
        current: Generation,
        new: Generation,
        accept_difference: bool,
    ) -> tuple[bool, Digests]:
        upgraded = (
            generation.live_projector_version(connection, current.name) != self._projector.version
        )
        rebuilt = digests(connection, self._projector, new)
        equal = not upgraded and rebuilt == digests(connection, self._projector, current)
        if not (equal or upgraded or accept_difference):
            raise Diverged(
                f"The rebuild of {current.name} differs from what is live; nothing was swapped.",
                remedy=f"Compare the schemas {current.schema} and {new.schema}; the log is the "
                "truth: repeat with `accept_difference` to serve the rebuilt one.",
            )
        generation.publish(connection, self._projector, new)
        # The one before stays for an instant return; what is older has no use any more.
        Generation(current.name, current.number - 1).drop(connection)
        return equal, rebuilt

    async def _position(self, of: Generation) -> int:
        return await self._database.run(of.position)

    async def _catch_up(self, new: Generation, until: int) -> None:
        """Apply the log to `new` up to `until`, which is the position of an event it reads."""
        position = await self._position(new)
        event_subjects = [subjects.events(kind) for kind in self._projector.event_types]
        cursor = LogCursor(self._client, event_subjects, position)
        try:
            while position < until:
                entries = await cursor.batch(BATCH_MESSAGES, wait_s=STALL_SECONDS)
                entries = [entry for entry in entries if entry.position <= until]
                if not entries:
                    raise Conflict(
                        f"The log has no event between {position} and {until}, where the live "
                        f"{new.name} stands: events are missing.",
                        remedy="Restore the log from its backup before rebuilding.",
                    )
                position = await self._database.run(
                    commit.commit_batch, self._projector, new, position, entries
                )
                self._events += len(entries)
        finally:
            await cursor.close()
