"""Builds a projection anew from the log beside the live one, proves them equal, swaps them."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from nats.aio.client import Client
from sqlalchemy import Connection, text

from sealbook.contract import subjects
from sealbook.errors import Conflict, SealbookError, Unavailable
from sealbook.projection import commit, generation
from sealbook.projection.digest import Digests, digests
from sealbook.projection.generation import Generation
from sealbook.projection.projector import Projector
from sealbook.runtime.database import Database, Session
from sealbook.stream.cursor import LogCursor

logger = logging.getLogger("sealbook.projection")

BATCH_MESSAGES = 2_000
STALL_SECONDS = 30.0
SWAP_PATIENCE_SECONDS = 600.0
LOCK_WAIT = "1s"


class Diverged(Conflict):
    """The rebuilt rows differ from the live ones; the live ones still serve."""

    code = "diverged"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did. `equal` is None when another version of the projector wrote the live
    rows: then they are not meant to be equal."""

    projection: str
    generation: int
    position: int
    events: int
    equal: bool | None
    digests: Digests
    seconds: float


class Rebuild:
    """One rebuild of one projection."""

    def __init__(
        self,
        client: Client,
        database: Database,
        projector: Projector,
        *,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._database = database
        self._projector = projector
        self._on_progress = on_progress
        self._events = 0

    async def run(self, *, accept_difference: bool = False) -> Rebuilt:
        """Build generation n+1 up to the live position, compare, swap in one transaction.

        Raises:
            Diverged: the digests differ and the difference was not accepted in advance.
            Conflict: another rebuild of this projection is under way.
            Unavailable: the log or the database is away, or readers hold the views for too long.
        """
        started = time.monotonic()
        async with self._database.session() as session:
            await session.run(_take_turn, self._projector.name)
            current, new = await session.run(self._begin)
            await self._catch_up(new, await self._position(current))
            position, equal, found = await self._compare(session, current, new)
            if equal is False and not accept_difference:
                raise Diverged(
                    f"The rebuild of {current.name} differs from what is live; nothing was "
                    "swapped.",
                    remedy=f"Compare the schemas {current.schema} and {new.schema}; the log is "
                    "the truth: repeat with `accept_difference` to serve the rebuilt one.",
                )
            await self._swap(session, current, new)
            await self._forget(Generation(current.name, current.number - 1))
        seconds = time.monotonic() - started
        return Rebuilt(current.name, new.number, position, self._events, equal, found, seconds)

    def _begin(self, connection: Connection) -> tuple[Generation, Generation]:
        with connection.begin():
            current = generation.live(connection, self._projector.name)
            wrote = generation.live_projector_version(connection, current.name)
            if wrote > self._projector.version:
                raise generation.newer(current.name, wrote, self._projector.version)
            new = Generation(current.name, current.number + 1)
            new.create(connection, self._projector)
        return current, new

    async def _compare(
        self, session: Session, current: Generation, new: Generation
    ) -> tuple[int, bool | None, Digests]:
        """Both at one position. The live one goes on meanwhile: a snapshot of it is read."""
        position, upgraded, live = await session.run(self._snapshot, current)
        await self._catch_up(new, position)
        rebuilt = await self._database.run(digests, self._projector, new)
        return position, None if upgraded else rebuilt == live, rebuilt

    def _snapshot(self, connection: Connection, current: Generation) -> tuple[int, bool, Digests]:
        with connection.begin():
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            wrote = generation.live_projector_version(connection, current.name)
            if wrote != self._projector.version:
                # Its tables may be others than ours.
                return current.position(connection), True, {}
            found = digests(connection, self._projector, current)
            return current.position(connection), False, found

    async def _swap(self, session: Session, current: Generation, new: Generation) -> None:
        """Hold the live runner at the registry row, apply what came meanwhile, swap.

        A long-running reader of the views makes the swap give up and try again, so that no other
        reader has to queue behind it.
        """
        deadline = time.monotonic() + SWAP_PATIENCE_SECONDS
        while True:
            await self._catch_up(new, await self._position(current))
            position = await session.run(self._freeze, current)
            try:
                await self._catch_up(new, position)
                await session.run(self._publish, new)
                return
            except Unavailable:
                await session.run(_roll_back)
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(1)
            except BaseException:
                await session.run(_roll_back)
                raise

    def _freeze(self, connection: Connection, current: Generation) -> int:
        connection.begin()
        found = generation.live(connection, current.name, lock="FOR UPDATE")
        if found != current:
            raise Conflict(f"{found.schema} became live while {current.schema} was rebuilt.")
        return current.position(connection)

    def _publish(self, connection: Connection, new: Generation) -> None:
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
        generation.publish(connection, self._projector, new)
        connection.commit()

    async def _forget(self, old: Generation) -> None:
        """The one before stays for an instant return; what is older has no use any more."""
        try:
            await self._database.run(_drop_soon, old)
        except SealbookError as error:
            # Somebody reads it still. The swap is done, and stands.
            logger.warning("%s stays for now: %s", old.schema, error)

    async def _position(self, of: Generation) -> int:
        return await self._database.run(of.position)

    async def _catch_up(self, new: Generation, until: int) -> None:
        """Apply the log to `new` up to `until`."""
        position = await self._position(new)
        if position >= until:
            return
        event_subjects = [subjects.events(kind) for kind in self._projector.event_types]
        cursor = LogCursor(self._client, event_subjects, position)
        heard_at = time.monotonic()
        try:
            while position < until:
                entries = await cursor.batch(BATCH_MESSAGES, wait_s=1)
                entries = [entry for entry in entries if entry.position <= until]
                if entries:
                    heard_at = time.monotonic()
                    position = await self._database.run(
                        commit.commit_batch, self._projector, new, position, entries
                    )
                    self._events += len(entries)
                    self._on_progress()
                elif cursor.position >= until or cursor.pending == 0:
                    # The event at `until` is none of ours, or was lawfully erased.
                    await self._database.run(commit.skip_to, new, position, until)
                    return
                elif time.monotonic() - heard_at > STALL_SECONDS:
                    raise Unavailable(
                        f"The log gave nothing for {STALL_SECONDS:.0f} s at position {position} "
                        f"of {until}.",
                        remedy="Check that NATS runs; then rebuild again.",
                    )
        finally:
            await cursor.close()


def _drop_soon(connection: Connection, old: Generation) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
    old.drop(connection)


def _take_turn(connection: Connection, name: str) -> None:
    with connection.begin():
        query = text("SELECT pg_try_advisory_lock(hashtext('sealbook.rebuild'), hashtext(:name))")
        if not connection.execute(query, {"name": name}).scalar_one():
            raise Conflict(
                f"Another rebuild of {name} is under way.", remedy="Wait until it has ended."
            )


def _roll_back(connection: Connection) -> None:
    connection.rollback()
