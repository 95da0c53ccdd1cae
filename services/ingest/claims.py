"""Payloads that are too large for the log: uploaded first, then claimed by their event."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sealbook.contract import subjects
from sealbook.contract.events import Claim, InteractionRecorded
from sealbook.errors import SealbookError, Unavailable
from sealbook.runtime.objects import Bucket
from sealbook.sealing import cipher
from sealbook.stream.append import LogWriter

PREFIX = "payloads/"
HOUR = "%Y-%m-%dT%H"
UPLOADS = 8
PATIENCE = timedelta(minutes=30)
"""Between an upload and its event; orphans are collected only later than that."""


def object_key(interaction_id: UUID, sha256: str, at: datetime) -> str:
    """Where a payload goes. Every attempt seals anew, with other bytes: named by its content, no
    upload can take the place of one that an event in the log claims."""
    return f"{PREFIX}{at.astimezone(UTC):{HOUR}}/{interaction_id}/{sha256}"


def is_large(event: InteractionRecorded, inline_bytes: int) -> bool:
    """Whether the sealed payload is over the threshold."""
    return event.sealed is not None and len(event.sealed) > inline_bytes


def claimed(event: InteractionRecorded, sealed: bytes, at: datetime) -> InteractionRecorded:
    """The event with a claim in place of its sealed bytes."""
    sha256 = hashlib.sha256(sealed).hexdigest()
    claim = Claim(
        object_key=object_key(event.id, sha256, at),
        size_bytes=len(sealed),
        sha256=sha256,
        key_id=cipher.key_id_of(sealed),
    )
    return event.model_copy(update={"sealed": None, "claim": claim})


class Claims:
    """Brings large payloads to S3. Only events that have one need S3, but a batch waits as a whole:
    its order would be lost otherwise."""

    def __init__(
        self,
        bucket: Bucket,
        log: LogWriter,
        inline_bytes: int,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bucket = bucket
        self._log = log
        self._inline_bytes = inline_bytes
        self._clock = clock
        self._threads = ThreadPoolExecutor(UPLOADS, "sealbook-uploads")
        self._failed = False

    async def deposited(
        self, events: Sequence[InteractionRecorded]
    ) -> dict[UUID, InteractionRecorded]:
        """The events as they belong into the log, by id, large payloads uploaded and claimed.
        Those with a large payload whose id is in the log already are left out.

        Raises:
            Unavailable, Misconfigured: S3 or the log is away, or refuses. What was uploaded so far
                is an orphan then.
        """
        large = {one.id: one for one in events if is_large(one, self._inline_bytes)}
        moved = await self._moved(large.values()) if large else {}
        return {one.id: one for one in events if one.id not in large} | moved

    async def check(self) -> None:
        """Raise while S3 fails those who need it. Small payloads go on without S3, so it is asked
        only after an upload has failed."""
        if self._failed:
            await asyncio.to_thread(self._bucket.reach)
            self._failed = False

    async def _moved(self, large: Iterable[InteractionRecorded]) -> dict[UUID, InteractionRecorded]:
        # All of them are awaited: an attempt that failed must not go on beside the next one.
        found = await asyncio.gather(*map(self._one, large), return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return {one.id: one for one in found if isinstance(one, InteractionRecorded)}

    async def _one(self, event: InteractionRecorded) -> InteractionRecorded | None:
        """The event with its payload in S3; None when the log has it already."""
        assert event.sealed is not None  # noqa: S101 it is large
        # Asked before, a message that comes again leaves no orphan, nor does a log that is away.
        if await self._log.last(subjects.event_anywhere(event.type, event.key)):
            return None
        started = self._clock()
        moved = claimed(event, event.sealed, started)
        assert moved.claim is not None  # noqa: S101 just made
        await self._upload(moved.claim.object_key, event.sealed)
        if self._clock() - started > PATIENCE:
            raise Unavailable(
                f"The upload of a payload took longer than {PATIENCE}: it may be collected soon.",
                remedy="It is uploaded again.",
            )
        return moved

    async def _upload(self, key: str, content: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._bucket.put, key, content)
        except SealbookError:
            self._failed = True
            raise
