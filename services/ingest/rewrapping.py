"""Carries rotations out in the background: data keys get a new wrapping, events are not touched.

What is done is in PostgreSQL, so another process or the next start goes on where this one ended.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from sealbook.contract.events import Event, RotationCompleted, RotationStarted
from sealbook.errors import SealbookError, Unavailable
from sealbook.runtime.process import Process
from sealbook.sealing.keyring import Keyring, WrappedKey
from sealbook.stream.append import NewEvent
from services.ingest import rotations
from services.ingest.rotations import FIRST_ID, Rotation

logger = logging.getLogger("sealbook.keys")

BATCH_KEYS = 500
LOOK_SECONDS = 2.0
RETRY_SECONDS = 10.0


class Rewrapping:
    """The loop. Any number of processes may run it; one at a time works."""

    def __init__(self, process: Process, keyring: Keyring) -> None:
        self._process = process
        self._keyring = keyring
        self._database = process.database
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """A rotation was put on the list."""
        self._wanted.set()

    async def run(self) -> None:
        """Work until cancelled; what is away is waited for."""
        while True:
            self._wanted.clear()
            pause_s = LOOK_SECONDS
            try:
                if await self._database.run(rotations.under_way):
                    await self._with_lease()
            except SealbookError as error:
                logger.warning("a rotation waits: %s", error)
                pause_s = RETRY_SECONDS
            await self._rest(pause_s)

    async def tell_start(self, rotation: Rotation) -> None:
        """Put it on record, once however often it is told."""
        event = RotationStarted(
            id=rotation.id,
            actor=rotation.actor,
            kek_id=rotation.kek_id,
            keys=rotation.keys,
            started_at=rotation.started_at,
        )
        await self._append(event, rotation.started_at)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            timeout_s = seconds * random.uniform(0.5, 1.5)  # noqa: S311 jitter
            await asyncio.wait_for(self._wanted.wait(), timeout_s)

    async def _with_lease(self) -> None:
        async with self._database.session() as session:
            if not await session.run(rotations.take_lease):
                return
            while listed := await self._database.run(rotations.under_way):
                *superseded, newest = listed
                for rotation in superseded:
                    await self._end(rotation)
                await self._carry_out(newest)

    async def _carry_out(self, rotation: Rotation) -> None:
        """Returns at its end, or when a newer one is on the list.

        Raises Unavailable when the key it leads to is not the active one here.
        """
        await self.tell_start(rotation)
        _check_target(rotation, await self._keyring.active())
        after, rewrapped = FIRST_ID, 0
        while True:
            keys = await self._database.run(rotations.behind, rotation.kek_id, after, BATCH_KEYS)
            if keys:
                rewrapped += await self._rewrap(rotation, keys)
                after = keys[-1].id
                if not await self._is_newest(rotation):
                    return
            elif rewrapped:
                # Others may have made keys under the old one meanwhile: once more from the start.
                after, rewrapped = FIRST_ID, 0
            else:
                await self._end(rotation)
                return

    async def _is_newest(self, rotation: Rotation) -> bool:
        listed = await self._database.run(rotations.under_way)
        return [one.id for one in listed[-1:]] == [rotation.id]

    async def _rewrap(self, rotation: Rotation, keys: Sequence[WrappedKey]) -> int:
        anew = await self._keyring.rewrap(keys)
        for key in anew:
            _check_target(rotation, key.kek_id)
        return await self._database.run(rotations.replace, rotation, keys, anew)

    async def _end(self, rotation: Rotation) -> None:
        remaining = await self._database.run(rotations.count_behind, rotation.kek_id)
        now = datetime.now(UTC)
        event = RotationCompleted(
            id=rotation.id,
            actor=rotation.actor,
            kek_id=rotation.kek_id,
            rewrapped=(await self._database.run(rotations.find, rotation.id)).rewrapped,
            remaining=remaining,
            completed_at=now,
        )
        # The log first: what was not told is ended again by the next process, and told once.
        await self._append(event, now)
        await self._database.run(rotations.complete, rotation, remaining, now)
        logger.info(
            "%d data keys are under %s, %d are not", event.rewrapped, *(event.kek_id, remaining)
        )

    async def _append(self, event: Event, at: datetime) -> None:
        event_id = f"{event.key}.{event.type}"
        partition = self._process.partition(event.key)
        await self._process.log.append_once([NewEvent(event, partition, event_id, at)])


def _check_target(rotation: Rotation, kek_id: str) -> None:
    if kek_id != rotation.kek_id:
        raise Unavailable(
            f"{kek_id!r} is the active key-encryption key here, not {rotation.kek_id!r}.",
            remedy="Bring the new key to every replica; if this one is wanted, rotate again.",
        )
