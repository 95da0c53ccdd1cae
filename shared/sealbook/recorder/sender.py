"""The background sender: what is queued goes out in atomic batches, again and again until the bus
has it or refuses it. While a batch is under way the next one gathers, so that there is no delay
when idle and full batches under load."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from nats.aio.client import Client

from sealbook.errors import InvalidInput, SealbookError, Unavailable
from sealbook.recorder.link import Link, while_connected
from sealbook.recorder.outbox import Outbox, Parcel
from sealbook.recorder.packing import HEADER_ROOM
from sealbook.stream.atomic import DuplicateInBatch, WrongSequence, publish, publish_batch

logger = logging.getLogger("sealbook.recorder")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 3.0
COMPLAIN_EVERY_SECONDS = 30.0
# After that many batches in a row failed on a connection that stands, one message may be at fault
# (a subject this user may not publish on): single publishes let the others pass.
BATCHES_BEFORE_SINGLES = 2


@dataclass(slots=True)
class Counters:
    """Since the recorder was made. `refused`: invalid or too large; `overflowed`: queue full."""

    accepted: int = 0
    delivered: int = 0
    refused: int = 0
    overflowed: int = 0
    failures: int = 0


class Sender:
    """`run` never ends by itself; `trouble` says what went wrong last, None when all is well."""

    def __init__(self, link: Link, outbox: Outbox, counters: Counters) -> None:
        self._link = link
        self._outbox = outbox
        self._counters = counters
        self._failures = 0
        self._failed_batches = 0
        self._complained = 0.0
        self.connected = False
        self.trouble: str | None = None

    async def run(self) -> None:
        while not await self._delivered([]):
            pass  # connecting: before the first submission comes, so that it need not wait
        while True:
            await self._delivered(await self._outbox.batch())

    async def _delivered(self, parcels: Sequence[Parcel]) -> bool:
        """Whether all are settled; if not, they are queued again and it is time to retry."""
        singly = self._failed_batches >= BATCHES_BEFORE_SINGLES
        try:
            await self._send(await self._link.client(), parcels, singly=singly)
        except Exception as error:  # noqa: BLE001 nothing may end the sender; it says what it met
            self._outbox.put_back(parcels, last=singly)
            await self._pause(error)
            return False
        self._recovered()
        return True

    async def _send(self, client: Client, parcels: Sequence[Parcel], *, singly: bool) -> None:
        self.connected = True
        fitting = [parcel for parcel in parcels if self._fits(parcel, client.max_payload)]
        if not fitting:
            return
        if singly or not await self._sent_as_batch(client, fitting):
            await while_connected(client, self._send_singly(client, fitting))

    async def _sent_as_batch(self, client: Client, parcels: Sequence[Parcel]) -> bool:
        try:
            batch = publish_batch(client, [parcel.message for parcel in parcels])
            await while_connected(client, batch)
        except (DuplicateInBatch, WrongSequence, InvalidInput):
            return False  # nothing of it is stored: one by one tells which message is the reason
        except Unavailable:
            self._failed_batches += client.is_connected
            raise
        for parcel in parcels:
            self._settle(parcel, None)
        return True

    async def _send_singly(self, client: Client, parcels: Sequence[Parcel]) -> None:
        failed = await asyncio.gather(*(self._send_one(client, parcel) for parcel in parcels))
        if errors := [error for error in failed if error is not None]:
            raise errors[0]

    async def _send_one(self, client: Client, parcel: Parcel) -> SealbookError | None:
        """None once it is settled; a repetition the server knows by its id counts as stored."""
        try:
            await publish(client, parcel.message)
        except InvalidInput as error:
            self._settle(parcel, error)
        except SealbookError as error:
            return error
        else:
            self._settle(parcel, None)
        return None

    def _fits(self, parcel: Parcel, max_payload: int) -> bool:
        if parcel.size + HEADER_ROOM <= max_payload:
            return True
        error = InvalidInput(
            f"The submission of {parcel.size} bytes is over the bus's limit of "
            f"{max_payload - HEADER_ROOM}.",
            remedy="Shorten request or response, or raise `max_payload` of the NATS server.",
        )
        self._settle(parcel, error)
        return False

    def _settle(self, parcel: Parcel, error: InvalidInput | None) -> None:
        if error is None:
            self._counters.delivered += 1
        else:
            self._counters.refused += 1
        self._outbox.settle(parcel, error)

    async def _pause(self, error: Exception) -> None:
        # Of errors that are not ours only the type is safe to tell: their text may quote payloads.
        self.trouble = str(error) if isinstance(error, SealbookError) else type(error).__name__
        self._counters.failures += 1
        self._complain()
        longest = FIRST_PAUSE_SECONDS * 2 ** min(self._failures, 10)
        self._failures += 1
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 spreads retries, guards nothing
        await asyncio.sleep(min(longest, LONGEST_PAUSE_SECONDS) * jitter)

    def _complain(self) -> None:
        now = time.monotonic()
        if not self._failures or now - self._complained > COMPLAIN_EVERY_SECONDS:
            self._complained = now
            logger.warning("%d submissions wait to be sent: %s", len(self._outbox), self.trouble)

    def _recovered(self) -> None:
        if self._failures:
            logger.info("sending again; %d submissions are queued", len(self._outbox))
        self._failures = self._failed_batches = 0
        self.trouble = None
