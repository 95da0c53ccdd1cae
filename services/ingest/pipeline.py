"""One batch of submissions, from the queue into the log: acknowledged only afterwards."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from sealbook.contract import subjects
from sealbook.contract.events import InteractionRecorded
from sealbook.errors import InvalidInput, Misconfigured, SealbookError
from sealbook.runtime.telemetry import Metrics, place_of
from sealbook.sealing import blind_index
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring
from sealbook.stream.append import LogWriter, NewEvent
from sealbook.stream.cursor import SUBMISSIONS_BATCH_BYTES, SubmissionCursor
from sealbook.stream.topology import ACK_WAIT_SECONDS
from services.ingest.claims import Claims
from services.ingest.quarantine import Quarantine
from services.ingest.receive import (
    Arrival,
    Received,
    Rejected,
    SealedArrival,
    arrive,
    receive,
    unsealed,
)
from services.ingest.record import Draft, Rules, draft, sealed
from services.ingest.submission_key import submission_key

logger = logging.getLogger("sealbook.ingest")

BATCH_MESSAGES = 200
WAIT_SECONDS = 1.0
RETRY_SECONDS = 1.0
AHEAD_BYTES = SUBMISSIONS_BATCH_BYTES
"""A batch beyond that is one large message: in memory once, not beside another one."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that only has to be appended, and what of it cannot be."""

    received: Sequence[Received]
    repeated: Sequence[Received]
    rejected: list[Rejected]
    drafts: Sequence[Draft]
    events: Sequence[InteractionRecorded]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """ingest's hot path and what it needs."""

    cursor: SubmissionCursor
    log: LogWriter
    claims: Claims
    keyring: Keyring
    quarantine: Quarantine
    rules: Callable[[], Rules]
    partitions: int
    metrics: Metrics
    compress: bool = True

    async def run(self) -> None:
        """Work until cancelled: while one batch is on its way into the log, the next is prepared.
        What fails for want of a server is tried again."""
        handling: asyncio.Task[None] | None = None
        try:
            while True:
                messages = await self._next_batch()
                if handling and handling.done():
                    await handling
                    handling = None
                if messages:
                    handling = await self._begin(messages, handling)
        finally:
            if handling:
                handling.cancel()

    async def _begin(
        self, messages: Sequence[Msg], former: "asyncio.Task[None] | None"
    ) -> "asyncio.Task[None]":
        """Prepare a batch beside the one before it, and handle it once that is done."""
        alone = sum(len(message.data) for message in messages) > AHEAD_BYTES
        if former and alone:
            await former
        arrivals = [arrive(message) for message in messages]
        prepared = await self._prepared_if_possible(arrivals)
        if former:
            await former
        return asyncio.create_task(self._handle(messages, arrivals, prepared))

    async def _next_batch(self) -> Sequence[Msg]:
        try:
            return await self.cursor.batch(BATCH_MESSAGES, wait_s=WAIT_SECONDS)
        except (SealbookError, NatsError) as error:
            logger.warning("submissions wait: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
            return ()

    async def _prepared_if_possible(self, arrivals: Sequence[Arrival]) -> Prepared | None:
        """None where it failed: it fails again, and is dealt with, when it is the batch's turn."""
        try:
            return await self._prepare(arrivals)
        except Exception as error:  # noqa: BLE001 see above
            logger.debug("a batch of %d was not prepared: %s", len(arrivals), place_of(error))
            return None

    async def _handle(
        self, messages: Sequence[Msg], arrivals: Sequence[Arrival], prepared: Prepared | None
    ) -> None:
        """Record or quarantine every message, however long a server is away, then acknowledge.

        The same batch is tried again, before any later one: so order per key is kept.
        """
        started = time.perf_counter()
        keeping = asyncio.create_task(self._keep(messages))
        try:
            while True:
                try:
                    await self.record_or_isolate(arrivals, prepared)
                    break
                except (SealbookError, NatsError) as error:
                    prepared = None  # by the next try a key or a rule may have changed
                    logger.warning("a batch of %d waits: %s", len(messages), error)
                    await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
                    await self.cursor.keep(messages)
        finally:
            keeping.cancel()
        await self.cursor.acknowledge(messages)
        self.metrics.ingest_batch_seconds.observe(time.perf_counter() - started)

    async def _keep(self, messages: Sequence[Msg]) -> None:
        """Large payloads may be long on their way to a slow S3: nobody else must start on them."""
        while True:
            await asyncio.sleep(ACK_WAIT_SECONDS / 3)
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
        except NatsError:
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
        batch = prepared or await self._prepare(arrivals)
        existing = await self._append(batch.drafts, batch.events)
        conflicts = [
            one for one in batch.received if one.id in existing and await self._differs(one)
        ]
        rejected = [*batch.rejected, *map(_conflict, conflicts)]
        await self._set_aside(rejected)
        self.metrics.ingested.labels("duplicate").inc(len(existing) - len(conflicts))
        self.metrics.ingested.labels("recorded").inc(len(batch.drafts) - len(existing))
        for one in batch.repeated:
            rejected += await self.record([one.arrival])
        return rejected

    async def _prepare(self, arrivals: Sequence[Arrival]) -> Prepared:
        arrived = [receive(arrival) for arrival in arrivals]
        if any(isinstance(one, SealedArrival) for one in arrived):
            # Only then: without it, or with a broken one, all others still go through.
            key = await submission_key(self.keyring)
            arrived = [
                unsealed(one, key) if isinstance(one, SealedArrival) else one for one in arrived
            ]
        rejected = [one for one in arrived if isinstance(one, Rejected)]
        received, repeated = _first_of_each([one for one in arrived if isinstance(one, Received)])
        drafts, incomplete = await self._drafts(received)
        events = await self._sealed(drafts)
        return Prepared(received, repeated, rejected + incomplete, drafts, events)

    async def _set_aside(self, rejected: Sequence[Rejected]) -> None:
        await self.quarantine.hold(rejected)
        self.metrics.ingested.labels("quarantined").inc(len(rejected))

    async def _drafts(self, received: Sequence[Received]) -> tuple[list[Draft], list[Rejected]]:
        keys = await self._index_keys(received)
        now = self.rules()
        rules = {project: now.keyed(key) for project, key in keys.items()}
        drafts, incomplete = [], []
        for one in received:
            try:
                drafts.append(draft(one, keys[one.project], rules[one.project]))
            except InvalidInput as error:
                incomplete.append(Rejected(one.arrival, one.project, "incomplete", str(error)))
        return drafts, incomplete

    async def _sealed(self, drafts: Sequence[Draft]) -> list[InteractionRecorded]:
        keys = await self.keyring.for_scopes(one.scope for one in drafts)
        return [sealed(one, keys[one.scope], compress=self.compress) for one in drafts]

    async def _append(
        self, drafts: Sequence[Draft], events: Sequence[InteractionRecorded]
    ) -> set[UUID]:
        """Append; returns the ids that were in the log before."""
        deposited = await self.claims.deposited(events)
        news = [
            NewEvent(
                event,
                subjects.partition_of(one.partition_key, self.partitions),
                str(event.id),
                event.occurred_at,
            )
            for one in drafts
            if (event := deposited.get(one.event.id))
        ]
        existing = await self.log.append_once(news)
        found = {new.event.id for new in existing if isinstance(new.event, InteractionRecorded)}
        return found | ({event.id for event in events} - deposited.keys())

    async def _differs(self, received: Received) -> bool:
        """Whether the log holds other content under this id than what was received."""
        subject = subjects.event_anywhere(InteractionRecorded.type, str(received.id))
        entry = await self.log.last(subject)
        if entry is None:
            return False
        try:
            recorded = entry.event()
        except InvalidInput:
            return True  # a newer version wrote it: ours cannot be the same
        keys = await self._index_keys([received])
        mine = received.fingerprint(keys[received.project])
        return isinstance(recorded, InteractionRecorded) and recorded.fingerprint != mine

    async def _index_keys(self, received: Sequence[Received]) -> dict[str, DataKey]:
        scopes = {one.project: blind_index.index_scope(one.project) for one in received}
        keys = await self.keyring.for_scopes(scopes.values())
        return {project: keys[scope] for project, scope in scopes.items()}


def _first_of_each(received: Sequence[Received]) -> tuple[list[Received], list[Received]]:
    """(the first submission of every id, those that repeat an id within the batch)."""
    firsts: dict[UUID, Received] = {}
    repeated = [one for one in received if firsts.setdefault(one.id, one) is not one]
    return list(firsts.values()), repeated


def _conflict(received: Received) -> Rejected:
    return Rejected(
        received.arrival,
        received.project,
        "conflict",
        "The log holds other content under this interaction id; the first one stands.",
    )
