"""One batch of submissions, from the queue into the log: acknowledged only afterwards."""

import asyncio
import logging
import random
from collections.abc import Sequence
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
from sealbook.stream.cursor import SubmissionCursor
from services.ingest.quarantine import Quarantine
from services.ingest.receive import Arrival, Received, Rejected, arrive, receive
from services.ingest.record import Draft, Rules, draft, sealed

logger = logging.getLogger("sealbook.ingest")

BATCH_MESSAGES = 200
WAIT_SECONDS = 1.0
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """ingest's hot path and what it needs."""

    cursor: SubmissionCursor
    log: LogWriter
    keyring: Keyring
    quarantine: Quarantine
    rules: Rules
    partitions: int
    metrics: Metrics

    async def run(self) -> None:
        """Work until cancelled; what fails for want of a server is tried again."""
        while True:
            try:
                messages = await self.cursor.batch(BATCH_MESSAGES, wait_s=WAIT_SECONDS)
                if messages:
                    with self.metrics.ingest_batch_seconds.time():
                        await self._handle(messages)
            except (SealbookError, NatsError) as error:
                logger.warning("submissions wait: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _handle(self, messages: Sequence[Msg]) -> None:
        """Record or quarantine every message, however long a server is away, then acknowledge.

        The same batch is tried again, before any later one: so order per key is kept.
        """
        arrivals = [arrive(message) for message in messages]
        while True:
            try:
                await self.record_or_isolate(arrivals)
                break
            except (SealbookError, NatsError) as error:
                logger.warning("a batch of %d waits: %s", len(messages), error)
                await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 jitter
                await self.cursor.keep(messages)
        await self.cursor.acknowledge(messages)

    async def record_or_isolate(self, arrivals: Sequence[Arrival]) -> list[Rejected]:
        """`record`; a message that makes it fail is found by trying each alone, and set aside.

        Raises:
            Unavailable: doing it again counts nothing twice.
        """
        try:
            return await self.record(arrivals)
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

    async def record(self, arrivals: Sequence[Arrival]) -> list[Rejected]:
        """Append what can be recorded, quarantine the rest; returns what was quarantined.

        Raises:
            Unavailable: doing it again counts nothing twice.
            InvalidInput: an event is too large for the log.
        """
        arrived = [receive(arrival) for arrival in arrivals]
        rejected = [one for one in arrived if isinstance(one, Rejected)]
        received, repeated = _first_of_each([one for one in arrived if isinstance(one, Received)])
        drafts, incomplete = await self._drafts(received)
        existing = await self._append(drafts, await self._sealed(drafts))
        conflicts = [one for one in received if one.id in existing and await self._differs(one)]
        rejected += incomplete + [_conflict(one) for one in conflicts]
        await self._set_aside(rejected)
        self.metrics.ingested.labels("duplicate").inc(len(existing) - len(conflicts))
        self.metrics.ingested.labels("recorded").inc(len(drafts) - len(existing))
        for one in repeated:
            rejected += await self.record([one.arrival])
        return rejected

    async def _set_aside(self, rejected: Sequence[Rejected]) -> None:
        await self.quarantine.hold(rejected)
        self.metrics.ingested.labels("quarantined").inc(len(rejected))

    async def _drafts(self, received: Sequence[Received]) -> tuple[list[Draft], list[Rejected]]:
        keys = await self._index_keys(received)
        drafts, incomplete = [], []
        for one in received:
            try:
                drafts.append(draft(one, keys[one.project], self.rules))
            except InvalidInput as error:
                incomplete.append(Rejected(one.arrival, one.project, "incomplete", str(error)))
        return drafts, incomplete

    async def _sealed(self, drafts: Sequence[Draft]) -> list[InteractionRecorded]:
        keys = await self.keyring.for_scopes(one.scope for one in drafts)
        return [sealed(one, keys[one.scope]) for one in drafts]

    async def _append(
        self, drafts: Sequence[Draft], events: Sequence[InteractionRecorded]
    ) -> set[UUID]:
        """Append; returns the ids that were in the log before."""
        news = [
            NewEvent(
                event,
                subjects.partition_of(one.partition_key, self.partitions),
                str(event.id),
                event.occurred_at,
            )
            for one, event in zip(drafts, events, strict=True)
        ]
        existing = await self.log.append_once(news)
        return {new.event.id for new in existing if isinstance(new.event, InteractionRecorded)}

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
