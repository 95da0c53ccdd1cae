"""The queue between the application and the sender: in order, bounded in messages and in bytes.

What the sender has taken counts until it is settled. Belongs to one event loop.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from sealbook.errors import SealbookError
from sealbook.stream.atomic import MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, Outgoing


@dataclass(eq=False, slots=True)
class Parcel:
    """A submission on its way; `answer` becomes None when the bus has it, else the reason."""

    interaction_id: UUID
    message: Outgoing = field(repr=False)
    answer: "asyncio.Future[SealbookError | None]" = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.message.body)


class Outbox:
    """Holds every parcel from `offer` until `settle`."""

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.bytes = 0
        self._unsettled: dict[Parcel, None] = {}
        self._waiting: deque[Parcel] = deque()
        self._filled = asyncio.Event()
        self._settled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._unsettled)

    def __str__(self) -> str:
        return (
            f"{len(self)} of {self.max_messages} submissions and "
            f"{self.bytes} of {self.max_bytes} bytes"
        )

    def offer(self, parcel: Parcel) -> bool:
        """Whether there was room for it."""
        if len(self) >= self.max_messages or self.bytes + parcel.size > self.max_bytes:
            return False
        self._unsettled[parcel] = None
        self.bytes += parcel.size
        self._waiting.append(parcel)
        self._filled.set()
        return True

    def has_room_for_bulk(self, size: int) -> bool:
        """Whether at most half of the queue would be full: single records, which do not wait for
        room, have the other half for themselves."""
        half_empty = len(self) < self.max_messages / 2 and self.bytes + size <= self.max_bytes / 2
        return half_empty or not len(self)

    async def room_for_bulk(self, size: int) -> None:
        """Wait until there is room for bulk."""
        while not self.has_room_for_bulk(size):
            await self._next_settlement()

    async def empty(self) -> None:
        """Wait until everything is settled."""
        while len(self):
            await self._next_settlement()

    async def batch(self) -> list[Parcel]:
        """The oldest parcels, at least one and as many as one atomic batch may hold."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        taken = [self._waiting.popleft()]
        size = taken[0].size
        while self._waiting and len(taken) < MAX_BATCH_MESSAGES:
            size += self._waiting[0].size
            if size > MAX_BATCH_BYTES:
                break
            taken.append(self._waiting.popleft())
        return taken

    def put_back(self, parcels: Iterable[Parcel], *, last: bool) -> None:
        """The unsettled ones again: before everything else, or `last` in the queue."""
        again = [parcel for parcel in parcels if parcel in self._unsettled]
        if last:
            self._waiting.extend(again)
        else:
            self._waiting.extendleft(reversed(again))

    def settle(self, parcel: Parcel, error: SealbookError | None = None) -> None:
        """It is on the bus, or refused for `error`; its room is free again."""
        if parcel not in self._unsettled:
            return  # an answer that came after `abandon`
        del self._unsettled[parcel]
        self.bytes -= parcel.size
        self._settled.set()
        if not parcel.answer.done():
            parcel.answer.set_result(error)

    def abandon(self, error: SealbookError) -> list[UUID]:
        """Settle all that is left with `error`; the ids concerned, oldest first."""
        left = list(self._unsettled)
        self._waiting.clear()
        for parcel in left:
            self.settle(parcel, error)
        return [parcel.interaction_id for parcel in left]

    async def _next_settlement(self) -> None:
        self._settled.clear()
        await self._settled.wait()
