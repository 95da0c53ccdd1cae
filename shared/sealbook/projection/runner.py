"""Keeps the live generation of one projection up to date, alone, for as long as it is asked to."""

import asyncio
import logging
import random
import time
from collections.abc import Callable

from nats.aio.client import Client
from sqlalchemy import Connection, text

from sealbook.contract import subjects
from sealbook.errors import Misconfigured, SealbookError
from sealbook.projection import commit, generation
from sealbook.projection.generation import Generation, Superseded
from sealbook.projection.projector import Projector
from sealbook.projection.rebuild import Rebuild
from sealbook.runtime.database import Database, Session
from sealbook.stream import topology
from sealbook.stream.cursor import LogCursor

logger = logging.getLogger("sealbook.projection")

BATCH_MESSAGES = 1_000
WAIT_SECONDS = 1.0
LEASE_RETRY_SECONDS = 2.0
RETRY_SECONDS = 1.0


class Runner:
    """One per projector. Any number of processes may run it; one holds the lease and works."""

    def __init__(
        self,
        client: Client,
        database: Database,
        projector: Projector,
        *,
        on_batch: Callable[[int, int], None] = lambda position, events: None,
    ) -> None:
        self._client = client
        self._database = database
        self._projector = projector
        self._on_batch = on_batch
        self.position = 0
        self.working_at = 0.0
        """When it last showed a sign of life (monotonic seconds); readiness looks at it."""

    async def run(self) -> None:
        """Work until cancelled; servers that are away are waited for."""
        while True:
            try:
                await self._database.run(generation.prepare, self._projector)
                # Before taking the lease: older replicas keep the live rows going meanwhile.
                await self._upgrade()
                await self._with_lease()
            except Superseded as moved:
                logger.info("%s", moved)
            except SealbookError as error:
                logger.warning("%s: %s", self._projector.name, error)
                await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 jitter

    async def _with_lease(self) -> None:
        async with self._database.session() as session:
            while not await session.run(_take_lease, self._projector.name):
                self._alive()
                await asyncio.sleep(LEASE_RETRY_SECONDS)
            await self._follow(session)

    async def _upgrade(self) -> None:
        """Rebuild first when the live rows were written by another version of the projector."""
        name = self._projector.name
        wrote = await self._database.run(generation.live_projector_version, name)
        if wrote > self._projector.version:
            raise generation.newer(name, wrote, self._projector.version)
        if wrote < self._projector.version:
            logger.info(
                "%s: rebuilding from version %d to %d", name, wrote, self._projector.version
            )
            rebuild = Rebuild(
                self._client, self._database, self._projector, on_progress=self._alive
            )
            await rebuild.run()

    async def _follow(self, lease: Session) -> None:
        live, self.position = await self._database.run(self._live_position)
        await self._check_log()
        event_subjects = [subjects.events(kind) for kind in self._projector.event_types]
        cursor = LogCursor(self._client, event_subjects, self.position)
        try:
            while True:
                entries = await cursor.batch(BATCH_MESSAGES, wait_s=WAIT_SECONDS)
                self._alive()
                if not entries:
                    await lease.run(_check_lease)
                    continue
                self.position = await self._database.run(
                    commit.commit_live, self._projector, live, self.position, entries
                )
                self._on_batch(self.position, len(entries))
        finally:
            await cursor.close()

    async def _check_log(self) -> None:
        """A log that is shorter than what was read of it was restored from an old backup."""
        newest = await topology.last_position(self._client)
        if newest < self.position:
            raise Misconfigured(
                f"The log ends at position {newest}, but {self._projector.name} has read up to "
                f"{self.position}: the log lost events.",
                remedy="Restore the newest backup of the log, or rebuild the projection.",
            )

    def _alive(self) -> None:
        self.working_at = time.monotonic()

    def _live_position(self, connection: Connection) -> tuple[Generation, int]:
        current = generation.live(connection, self._projector.name)
        return current, current.position(connection)


def _take_lease(session: Connection, name: str) -> bool:
    with session.begin():
        query = text("SELECT pg_try_advisory_lock(hashtext('sealbook.runner'), hashtext(:name))")
        return bool(session.execute(query, {"name": name}).scalar_one())


def _check_lease(session: Connection) -> None:
    """The lease lives as long as its session: a lost session must be noticed while idle."""
    with session.begin():
        session.execute(text("SELECT 1"))
