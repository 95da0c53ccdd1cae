"""The recorder for asynchronous applications."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Required, Self, TypedDict
from uuid import UUID

from sealbook.errors import InvalidInput, SealbookError
from sealbook.recorder.link import Link
from sealbook.recorder.outbox import Outbox, Parcel
from sealbook.recorder.packing import pack
from sealbook.recorder.patience import Patience
from sealbook.recorder.receipt import NotOpen, NotSent, QueueFull, Receipt, StillQueued, receipt
from sealbook.recorder.sender import Counters, Sender
from sealbook.stream.atomic import MAX_BATCH_MESSAGES, Outgoing

if TYPE_CHECKING:
    from sealbook.sealing.submission import SealTo

logger = logging.getLogger("sealbook.recorder")

State = Literal["closed", "connecting", "sending", "failing"]


class Options(TypedDict, total=False):
    """The keyword arguments of `Recorder`, for those who pass them on."""

    project: Required[str]
    user: str | None
    password: str | Path | None
    seal_to: str | None
    strict: bool
    max_wait_s: float
    close_wait_s: float
    queue_limit: int
    queue_bytes: int


class Recorder:
    """Records interactions; belongs to the event loop it was opened in.

        async with Recorder("nats://localhost:4222", project="support") as recorder:
            receipt = await recorder.record(provider="openai", model="gpt-4o", request=…)

    It never raises into the application, unless `strict`: then what would be an error in the
    receipt is raised (`SealbookError`). It never blocks for longer than `max_wait_s`; what the bus
    has not taken by then stays queued and is retried under the same id for as long as the recorder
    is open. Closing waits `close_wait_s` at most and reports what was not sent. The queue holds
    `queue_limit` submissions and `queue_bytes` bytes; what does not fit is refused at once.

    `password` is the text or the path of a file. `seal_to` is the line of `sealbook keys public`:
    then submissions are sealed to ingest, and the bus sees none of their content; what is no such
    line raises Misconfigured here. A queue in memory is lost with its process.
    """

    def __init__(
        self,
        url: str,
        *,
        project: str,
        user: str | None = None,
        password: str | Path | None = None,
        seal_to: str | None = None,
        strict: bool = False,
        max_wait_s: float = 5.0,
        close_wait_s: float = 10.0,
        queue_limit: int = 10_000,
        queue_bytes: int = 64 * 2**20,
    ) -> None:
        self._project = project
        self._seal_to = None if seal_to is None else _seal_to(seal_to)
        self._strict = strict
        self._max_wait_s = max_wait_s
        self._close_wait_s = close_wait_s
        self._counters = Counters()
        self._link = Link(url, user, password)
        self._outbox = Outbox(queue_limit, queue_bytes)
        self._sender = Sender(self._link, self._outbox, self._counters)
        self._sending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._strict:
            await self._link.client()
        self._sending = asyncio.create_task(self._sender.run(), name="sealbook-recorder")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        unsent = await self.close()
        if unsent and self._strict and error is None:
            raise NotSent(len(unsent), self.trouble)

    async def record(self, **fields: Any) -> Receipt:
        """Record one interaction; the fields are those of a Submission (docs/submission.md).

        Returns when the bus has it, when it is refused, or after `max_wait_s`.
        """
        try:
            parcel = self._enqueue(*self._pack(fields))
        except SealbookError as error:
            return self._conclude(error)
        await asyncio.wait({parcel.answer}, timeout=self._max_wait_s)
        return self._conclude(parcel)

    async def record_many(self, submissions: Iterable[Mapping[str, Any]]) -> list[Receipt]:
        """Record many, one receipt each, in order; takes the next only when the queue has room.

        Waits as long as the bus takes submissions. Once it has taken none for `max_wait_s` the
        rest does not wait any more: what is queued is reported so, what has no room is refused.
        When `strict`, the first error is raised once all were tried.
        """
        patience = Patience(self._max_wait_s)
        tried: list[Parcel | SealbookError] = []
        for number, fields in enumerate(submissions, start=1):
            try:
                tried.append(await self._enqueue_patiently(patience, *self._pack(fields)))
            except SealbookError as error:
                tried.append(error)
            if number % MAX_BATCH_MESSAGES == 0:
                await asyncio.sleep(0)  # a full batch: let the sender begin
        for attempt in tried:
            if isinstance(attempt, Parcel) and not attempt.answer.done():
                await patience.wait(attempt.answer)
        return [self._conclude(attempt) for attempt in tried]

    async def close(self) -> tuple[UUID, ...]:
        """Send what is queued, for `close_wait_s` at most; the ids of what was not sent."""
        if self._sending is None:
            return ()
        sending, self._sending = self._sending, None
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._outbox.empty(), self._close_wait_s)
        finally:
            await _stop(sending)
            await self._link.close()
            unsent = self._outbox.abandon(NotSent(self.queued, self.trouble))
        if unsent:
            logger.error("closed with %d submissions not sent, first %s", len(unsent), unsent[0])
        return tuple(unsent)

    @property
    def state(self) -> State:
        """`failing`: the last attempt to send failed and is repeated; `trouble` says why."""
        if self._sending is None:
            return "closed"
        if self._sender.trouble:
            return "failing"
        return "sending" if self._sender.connected else "connecting"

    @property
    def trouble(self) -> str | None:
        """Why sending fails at the moment; None when it does not."""
        return self._sender.trouble

    @property
    def queued(self) -> int:
        """How many submissions wait for the bus."""
        return len(self._outbox)

    @property
    def counters(self) -> Counters:
        """A copy of the counts since the recorder was made."""
        return replace(self._counters)

    def not_open(self) -> Receipt:
        """The receipt that a recorder gives which is not open."""
        return self._conclude(NotOpen())

    def _pack(self, fields: Mapping[str, Any]) -> tuple[UUID, Outgoing]:
        if self._sending is None:
            raise NotOpen
        try:
            return pack(fields, self._project, self._seal_to)
        except InvalidInput:
            self._counters.refused += 1
            raise

    def _enqueue(self, interaction_id: UUID, message: Outgoing) -> Parcel:
        if self._sending is None:
            raise NotOpen  # closed while it waited for room: nothing would send it
        parcel = Parcel(interaction_id, message, asyncio.get_running_loop().create_future())
        if not self._outbox.offer(parcel):
            self._counters.overflowed += 1
            raise QueueFull(parcel.size, str(self._outbox))
        self._counters.accepted += 1
        return parcel

    async def _enqueue_patiently(
        self, patience: Patience, interaction_id: UUID, message: Outgoing
    ) -> Parcel:
        if not self._outbox.has_room_for_bulk(len(message.body)):
            await patience.wait(self._outbox.room_for_bulk(len(message.body)))
        return self._enqueue(interaction_id, message)

    def _conclude(self, attempt: Parcel | SealbookError) -> Receipt:
        interaction_id, error = self._outcome(attempt)
        if error is not None and self._strict:
            raise error
        return receipt(interaction_id, error)

    def _outcome(self, attempt: Parcel | SealbookError) -> tuple[UUID | None, SealbookError | None]:
        if isinstance(attempt, SealbookError):
            return None, attempt
        if attempt.answer.done():
            return attempt.interaction_id, attempt.answer.result()
        return attempt.interaction_id, StillQueued(self._max_wait_s, self.trouble)


def _seal_to(line: str) -> "SealTo":
    # Here, because most recorders seal nothing and should not load cryptography.
    from sealbook.sealing.submission import SealTo  # noqa: PLC0415

    return SealTo.read(line)


async def _stop(task: asyncio.Task[None]) -> None:
    # More than once: `wait_for` of Python 3.11 forgets a cancellation that comes together with
    # the result it waits for.
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.5)
