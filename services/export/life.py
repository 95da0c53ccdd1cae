"""The life of a job in the log: requested, then completed, failed or cancelled; each once."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sealbook.contract import subjects
from sealbook.contract.commands import ExportRequest
from sealbook.contract.events import (
    DownloadIssued,
    Event,
    ExportCancelled,
    ExportCompleted,
    ExportFailed,
    ExportRequested,
)
from sealbook.contract.ids import new_id
from sealbook.errors import Conflict, SealbookError
from sealbook.runtime.process import Process
from sealbook.sealing import cipher
from sealbook.sealing.binding import Binding
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring
from sealbook.sealing.scope import Scope
from sealbook.stream.append import NewEvent
from sealbook.stream.atomic import WrongSequence
from services.export.job import Job

# Requests may name a user: they are sealed, under a key that belongs to the service.
SCOPE = Scope("", "service", "export.requests")


@dataclass(frozen=True, slots=True)
class Stage:
    """The last event of a job and its position."""

    position: int
    event: Event


@dataclass(frozen=True, slots=True)
class Written:
    """A file that stands in S3, whole."""

    object_key: str
    rows: int
    size_bytes: int
    sha256: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class Life:
    """Reads and appends the events of jobs. Every step is compare-and-set on the job's subject,
    so that a cancelled job never becomes completed."""

    process: Process
    keyring: Keyring

    async def stage(self, job_id: str) -> Stage | None:
        """Where a job stands; None when it was never requested."""
        entry = await self.process.log.last(_subject(job_id))
        return Stage(entry.position, entry.event()) if entry else None

    async def request(self, job: Job, *, after: int = 0) -> Stage:
        """Put the request into the log; the stage it is at when it was there before.

        `after` is the position of the failure after which it is requested again.
        """
        event = ExportRequested(
            id=new_id(),
            job_id=job.id,
            actor=job.actor,
            project=job.request.filter.project,
            projects=None if job.projects is None else tuple(sorted(job.projects)),
            table=job.request.table,
            format=job.request.format,
            position=job.position,
            requested_at=datetime.now(UTC),
            sealed=b"",
        )
        sealed = cipher.seal(await self._key(), job.request_body(), _binding(event))
        event = event.model_copy(update={"sealed": sealed})
        try:
            return Stage(await self._append(event, event.id, event.requested_at, after), event)
        except WrongSequence:
            found = await self.stage(job.id)
            assert found is not None  # noqa: S101 the log said that there is one
            await self._check_same(job)
            return found

    async def _check_same(self, job: Job) -> None:
        """An idempotency key stands for one request: raises Conflict when it had another."""
        first = await self.find(job.id)
        if first is not None and not first.asks_the_same_as(job):
            raise Conflict(
                f"The idempotency key of export {job.id} was used for another request.",
                remedy="Use another key, or repeat the request it was first used for.",
            )

    async def tell_download(self, job_id: str, actor: str) -> None:
        """Put on record that somebody gets the file."""
        event = DownloadIssued(id=new_id(), job_id=job_id, actor=actor, issued_at=datetime.now(UTC))
        partition = self.process.partition(job_id)
        new = NewEvent(event, partition, str(event.id), event.issued_at)
        await self.process.log.append(new)

    async def find(self, job_id: str) -> Job | None:
        """The job as it was last requested; None when it never was."""
        subject = subjects.event_anywhere(ExportRequested.type, job_id)
        entry = await self.process.log.last(subject)
        event = entry.event() if entry else None
        return await self.requested_job(event) if isinstance(event, ExportRequested) else None

    async def requested_job(self, event: ExportRequested) -> Job:
        """The job as it was first requested."""
        body = cipher.unseal(await self._key(), event.sealed, _binding(event))
        projects = None if event.projects is None else frozenset(event.projects)
        return Job(event.actor, ExportRequest.read(body), projects)

    async def complete(self, job: Job, requested: Stage, written: Written) -> Event:
        """The file stands. Returns the event that ended the job, whoever was first."""
        event = ExportCompleted(
            id=new_id(),
            job_id=job.id,
            actor=job.actor,
            object_key=written.object_key,
            position=job.position,
            rows=written.rows,
            size_bytes=written.size_bytes,
            sha256=written.sha256,
            truncated=written.truncated,
            completed_at=datetime.now(UTC),
        )
        return await self._end(event, event.id, event.completed_at, requested)

    async def fail(
        self, job_id: str, actor: str, error: SealbookError, requested: Stage | None, body: bytes
    ) -> Event:
        """The job ends without a file."""
        event = ExportFailed(
            id=new_id(),
            job_id=job_id,
            actor=actor,
            error_code=error.code,
            retryable=error.retryable,
            failed_at=datetime.now(UTC),
        )
        content = str(error).encode() + b"\n" + body
        sealed = cipher.seal(await self._key(), content, _binding(event))
        event = event.model_copy(update={"sealed": sealed})
        return await self._end(event, event.id, event.failed_at, requested)

    async def cancel(self, job_id: str, actor: str, requested: Stage) -> Event:
        """Call a job off; returns the event that ended it, whoever was first."""
        event = ExportCancelled(
            id=new_id(), job_id=job_id, actor=actor, cancelled_at=datetime.now(UTC)
        )
        return await self._end(event, event.id, event.cancelled_at, requested)

    async def _end(
        self, event: Event, event_id: UUID, at: datetime, requested: Stage | None
    ) -> Event:
        try:
            await self._append(event, event_id, at, requested.position if requested else 0)
        except WrongSequence:
            found = await self.stage(event.key)
            assert found is not None  # noqa: S101 the log said that there is one
            return found.event
        return event

    async def _append(self, event: Event, event_id: UUID, at: datetime, expected: int) -> int:
        partition = self.process.partition(event.key)
        new = NewEvent(event, partition, str(event_id), at)
        return await self.process.log.append(new, expected=(expected, _subject(event.key)))

    async def _key(self) -> DataKey:
        return (await self.keyring.for_scopes([SCOPE]))[SCOPE]


def ended(stage: Stage) -> bool:
    """Whether nothing can happen to the job any more."""
    return not isinstance(stage.event, ExportRequested)


def _subject(job_id: str) -> str:
    return subjects.event_anywhere("export.*", job_id)


def _binding(event: ExportRequested | ExportFailed) -> bytes:
    at = event.requested_at if isinstance(event, ExportRequested) else event.failed_at
    return Binding("", str(event.id), event.type, event.version, at).encode()
