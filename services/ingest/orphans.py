"""Collects payload objects that no event claims: of attempts that failed, or came second.

An hour's objects are looked at once, when every event that may claim one is long in the log.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

from nats.errors import Error as NatsError
from sqlalchemy import Column, Connection, MetaData, Table, Text, delete, insert, select, text

from sealbook.contract import subjects
from sealbook.contract.events import InteractionRecorded
from sealbook.errors import InvalidInput, SealbookError
from sealbook.runtime.database import Database, create_tables
from sealbook.runtime.objects import Bucket, Stored
from sealbook.runtime.telemetry import Metrics
from sealbook.stream.append import LogWriter
from services.ingest.claims import HOUR, PREFIX

logger = logging.getLogger("sealbook.ingest")

AGE = timedelta(hours=2)
SWEEP_SECONDS = 600.0
SECOND_LOOK_SECONDS = 60.0
PAGE_OBJECTS = 1_000
LOOKS_AT_ONCE = 32

metadata = MetaData(schema="ingest")
claim_sweep = Table("claim_sweep", metadata, Column("hour", Text, primary_key=True))
"""One row: the last hour that was swept."""


def due(hours: Iterable[str], swept: str | None, now: datetime) -> list[str]:
    """The hours to sweep, in order: beyond `swept`, and ended at least `AGE` ago."""
    last = f"{now.astimezone(UTC) - AGE - timedelta(hours=1):{HOUR}}"
    return sorted(hour for hour in hours if (swept or "") < hour <= last)


def interaction_of(key: str) -> UUID | None:
    """Whose payload an object is; None when it is none of ours."""
    try:
        return UUID(key.removeprefix(PREFIX).split("/")[1])
    except (ValueError, IndexError):
        return None


def orphans(keys: Iterable[str], claims: Mapping[UUID, str | None]) -> list[str]:
    """The objects that their interaction does not claim. `claims` says which object each one does
    (None: none, or it is not in the log); an interaction it does not say keeps what it has."""
    owned = ((key, owner) for key in keys if (owner := interaction_of(key)))
    return [key for key, owner in owned if claims.get(owner, key) != key]


class Sweeper:
    """One process sweeps at a time; whichever it is goes on after the last hour that was swept."""

    def __init__(
        self,
        bucket: Bucket,
        log: LogWriter,
        database: Database,
        metrics: Metrics,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        second_look_s: float = SECOND_LOOK_SECONDS,
    ) -> None:
        self._bucket = bucket
        self._log = log
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._second_look_s = second_look_s

    async def prepare(self) -> None:
        """Make the table if it is not there."""
        await self._database.run(create_tables, metadata)

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.sweep()
            except (SealbookError, NatsError) as error:
                logger.warning("orphaned payloads stay for now: %s", error)
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> int:
        """Collect the orphans of all hours that are due; how many there were.

        Raises:
            Unavailable: a server is away; of the hour at hand nothing was removed that an event
                may claim.
        """
        removed = 0
        async with self._database.session() as session:
            if not await session.run(_take_turn):
                return 0
            swept = await self._database.run(_swept)
            after = f"{PREFIX}{swept}/\N{DELETE}" if swept else ""
            hours = await asyncio.to_thread(self._bucket.folders, PREFIX, after=after)
            log_made_at = await self._log.made_at()
            for hour in due(hours, swept, self._clock()):
                found = await self._of_hour(hour, log_made_at)
                if found is None:
                    break
                await self._remove(found)
                await self._database.run(_mark, hour)
                removed += len(found)
        return removed

    async def _of_hour(self, hour: str, log_made_at: datetime) -> list[str] | None:
        """The orphans of an hour; None when one of its objects is younger than it says.

        What is older than the log is left alone: it belongs to one that was lost, and a backup of
        that one, once it is restored, claims it.
        """
        found: list[str] = []
        objects = self._bucket.listing(f"{PREFIX}{hour}/")
        while page := await asyncio.to_thread(_page, objects):
            # By S3's clock: that of whoever named the object, and our own, may be wrong.
            youngest = max(page, key=lambda one: one.stored_at)
            if await asyncio.to_thread(self._bucket.age, youngest.key) < AGE:
                return None
            found += await self._unclaimed(
                [one.key for one in page if one.stored_at >= log_made_at]
            )
        if found:
            # A machine that slept may wake with its append still under way. And a NATS server that
            # is cut off answers with what it had: the log's leader must be there to be asked.
            await asyncio.sleep(self._second_look_s)
            await self._log.newest()
        return await self._unclaimed(found)

    async def _unclaimed(self, keys: Sequence[str]) -> list[str]:
        owners = list({owner for key in keys if (owner := interaction_of(key))})
        claims: dict[UUID, str | None] = {}
        for start in range(0, len(owners), LOOKS_AT_ONCE):
            some = owners[start : start + LOOKS_AT_ONCE]
            for found in await asyncio.gather(*map(self._claim, some)):
                claims |= found
        return orphans(keys, claims)

    async def _claim(self, interaction_id: UUID) -> dict[UUID, str | None]:
        """Which object an interaction claims; empty when nobody can tell."""
        subject = subjects.event_anywhere(InteractionRecorded.type, str(interaction_id))
        entry = await self._log.last(subject)
        if entry is None:
            return {interaction_id: None}
        try:
            event = entry.event()
        except InvalidInput:
            return {}  # a newer version wrote it, perhaps
        if not isinstance(event, InteractionRecorded):
            return {}
        return {interaction_id: event.claim.object_key if event.claim else None}

    async def _remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            await asyncio.to_thread(self._bucket.remove, key)
            self._metrics.orphans.inc()
        if keys:
            logger.info("removed %d orphaned payloads", len(keys))


def _page(objects: Iterator[Stored]) -> list[Stored]:
    return list(islice(objects, PAGE_OBJECTS))


def _take_turn(session: Connection) -> bool:
    with session.begin():
        query = text("SELECT pg_try_advisory_lock(hashtext('sealbook.claim_sweep'))")
        return bool(session.execute(query).scalar_one())


def _swept(connection: Connection) -> str | None:
    return connection.execute(select(claim_sweep.c.hour)).scalar()


def _mark(connection: Connection, hour: str) -> None:
    connection.execute(delete(claim_sweep))
    connection.execute(insert(claim_sweep).values(hour=hour))
