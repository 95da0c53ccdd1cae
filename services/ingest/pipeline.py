"""Batches of submissions, from the queue into the log: acknowledged only afterwards."""

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from sealbook.contract import subjects
from sealbook.contract.events import InteractionRecorded
from sealbook.errors import InvalidInput, Misconfigured, SealbookError, Unavailable
from sealbook.runtime.telemetry import Metrics, place_of
from sealbook.stream.append import LogWriter, NewEvent
from sealbook.stream.cursor import SubmissionCursor
from sealbook.stream.topology import ACK_WAIT_SECONDS
from services.ingest.claims import Claims
from services.ingest.prepare import Preparation, Prepared
from services.ingest.quarantine import Quarantine
from services.ingest.receive import Arrival, Rejected, arrive

logger = logging.getLogger("sealbook.ingest")

BATCH_MESSAGES = 200
WAIT_SECONDS = 1.0
RETRY_SECONDS = 1.0
_AWAY = (NatsError, OSError)
"""What libraries raise for want of a server: no message is to blame."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """ingest's hot path and what it needs."""

    cursor: SubmissionCursor
    log: LogWriter
    claims: Claims
    preparation: Preparation
    quarantine: Quarantine
    partitions: int
    metrics: Metrics

    async def run(self) -> None:
        """Work until cancelled: while one batch is on its way into the log, the next is prepared.
        What fails for want of a server is tried again."""
        ours: deque[Sequence[Msg]] = deque()
        keeping = asyncio.create_task(self._keep(ours))
        former: asyncio.Task[None] | None = None
        try:
            while True:
                messages = await self._next_batch()
                if former and former.done():
                    await former
                if messages:
                    ours.append(messages)
                    arrivals = [arrive(message) for message in messages]
                    prepared = await self._prepared_if_possible(arrivals)
                    if former:
                        await former
                    former = asyncio.create_task(self._handle(ours, arrivals, prepared))
        finally:
            tasks = [task for task in (keeping, former) if task]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _next_batch(self) -> Sequence[Msg]:
        try:
            return await self.cursor.batch(BATCH_MESSAGES, wait_s=WAIT_SECONDS)
        except (SealbookError, *_AWAY) as error:
            logger.warning("submissions wait: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
            return ()

    async def _prepared_if_possible(self, arrivals: Sequence[Arrival]) -> Prepared | None:
        """None where it failed: it fails again, and is dealt with, when it is the batch's turn."""
        try:
            return await self.preparation.of(arrivals)
        except Exception as error:  # noqa: BLE001 see above
            logger.debug("a batch of %d was not prepared: %s", len(arrivals), place_of(error))
            return None

    async def _handle(
        self,
        ours: deque[Sequence[Msg]],
        arrivals: Sequence[Arrival],
        prepared: Prepared | None = None,
    ) -> None:
        """Record or quarantine every message of the oldest batch, however long a server is away,
        then acknowledge them.

        The same batch is tried again, before any later one: so order per key is kept.
        """
        started = time.perf_counter()
        while True:
            try:
                await self.record_or_isolate(arrivals, prepared)
                break
            except (SealbookError, *_AWAY) as error:
                prepared = None  # by the next try a key or a rule may have changed
                logger.warning("a batch of %d waits: %s", len(arrivals), error)
                await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
        messages = ours.popleft()
        try:
            await self.cursor.acknowledge(messages)
        except NatsError as error:  # they come again, and are known
            logger.warning("a batch of %d is not acknowledged: %s", len(messages), error)
        self.metrics.ingest_batch_seconds.observe(time.perf_counter() - started)

    async def _keep(self, ours: deque[Sequence[Msg]]) -> None:
        """A large payload or a server that is away may take long: nobody else must start on what
        is ours."""
        while True:
            await asyncio.sleep(ACK_WAIT_SECONDS / 3)
            for messages in list(ours):
                with contextlib.suppress(NatsError):  # reconnecting: the next time will do
                    await self.cursor.keep(messages)

    async def record_or_isolate(
        self, arrivals: Sequence[Arrival], prepared: Prepared | None = None
    ) -> list[Rejected]:
        """`record`; a message that makes it fail is found by trying each alone, and set aside.

        Raises:
            Unavailable: doing it again counts nothing twice.
        """
        try:
            return await self.record(arrivals, prepared)
        except InvalidInput as error:
            code, detail = "too_large", str(error)
        except _AWAY:
            raise
        except SealbookError as error:
            # What waiting or an operator can mend waits; a broken key of one project must not
            # hold up all others.
            if error.retryable or isinstance(error, Misconfigured):
                raise
            code, detail = error.code, str(error)
        except Exception as error:  # noqa: BLE001 one odd payload must not stop the rest
            logger.error("a batch of %d failed: %s", len(arrivals), place_of(error))
            code, detail = "unprocessable", place_of(error)
        if len(arrivals) > 1:
            each = [await self.record_or_isolate([arrival]) for arrival in arrivals]
            return [rejected for one in each for rejected in one]
        project = subjects.project_of(arrivals[0].subject)
        rejected = [Rejected(arrivals[0], project, code, detail)]
        await self._set_aside(rejected)
        return rejected

    async def record(
        self, arrivals: Sequence[Arrival], prepared: Prepared | None = None
    ) -> list[Rejected]:
        """Append what can be recorded, quarantine the rest; returns what was quarantined.

        Raises:
            Unavailable: doing it again counts nothing twice.
            InvalidInput: an event is too large for the log.
        """
        batch = prepared
        if batch is None or not batch.holds(self.preparation.rules()):
            batch = await self.preparation.of(arrivals)
        existing = await self._append(batch)
        again = [
            (arrival, event.fingerprint)
            for arrival, event in zip(batch.arrivals, batch.events, strict=True)
            if event.id in existing
        ] + [*batch.repeated]
        conflicts = await self._conflicts(again, existing, batch.events) if again else []
        rejected = [*batch.rejected, *conflicts]
        await self._set_aside(rejected)
        self.metrics.ingested.labels("duplicate").inc(len(again) - len(conflicts))
        self.metrics.ingested.labels("recorded").inc(len(batch.events) - len(existing))
        return rejected

    async def _set_aside(self, rejected: Sequence[Rejected]) -> None:
        await self.quarantine.hold(rejected)
        self.metrics.ingested.labels("quarantined").inc(len(rejected))

    async def _append(self, batch: Prepared) -> set[UUID]:
        """Append; returns the ids that were in the log before."""
        deposited = await self.claims.deposited(batch.events)
        news = [
            NewEvent(
                event,
                subjects.partition_of(partition_key, self.partitions),
                str(event.id),
                event.occurred_at,
            )
            for one, partition_key in zip(batch.events, batch.partition_keys, strict=True)
            if (event := deposited.get(one.id))
        ]
        existing = await self.log.append_once(news)
        found = {new.event.id for new in existing if isinstance(new.event, InteractionRecorded)}
        return found | ({event.id for event in batch.events} - deposited.keys())

    async def _conflicts(
        self,
        again: Sequence[tuple[Arrival, str]],
        existing: Collection[UUID],
        events: Sequence[InteractionRecorded],
    ) -> list[Rejected]:
        """Those whose content is another than what the log holds under their id."""
        stands: dict[UUID, str | None] = {event.id: event.fingerprint for event in events}
        recorded = await asyncio.gather(*map(self._recorded_fingerprint, existing))
        stands |= dict(zip(existing, recorded, strict=True))
        return [_conflict(arrival) for arrival, mine in again if stands[arrival.id] != mine]

    async def _recorded_fingerprint(self, interaction_id: UUID) -> str | None:
        """Of the event in the log; None where it cannot be read, so that it equals none."""
        subject = subjects.event_anywhere(InteractionRecorded.type, str(interaction_id))
        entry = await self.log.last(subject)
        if entry is None:
            # A replica may lag behind the one that refused to append. Erased, it is new next time.
            raise Unavailable("The log does not show an entry that it has.")
        try:
            event = entry.event()
        except InvalidInput:
            return None  # a newer version wrote it: ours cannot be the same
        return event.fingerprint if isinstance(event, InteractionRecorded) else None


def _conflict(arrival: Arrival) -> Rejected:
    return Rejected(
        arrival,
        subjects.project_of(arrival.subject),
        "conflict",
        "The log holds other content under this interaction id; the first one stands.",
    )
