"""One job message: authorized, resolved to a position, written once, acknowledged last."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from minio import Minio
from pydantic_core import to_json
from sqlalchemy import Select

from sealbook.contract import subjects
from sealbook.contract.commands import ExportRequest
from sealbook.contract.events import (
    Event,
    ExportCancelled,
    ExportFailed,
)
from sealbook.errors import (
    Defect,
    InvalidInput,
    Misconfigured,
    Refused,
    SealbookError,
    Unavailable,
)
from sealbook.projection.waiting import shows
from sealbook.runtime import objects
from sealbook.runtime.process import Process
from sealbook.runtime.telemetry import place_of
from sealbook.runtime.users import Users
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring
from services.export.columns import chosen
from services.export.file import ExportFile, Stopped
from services.export.job import Job
from services.export.life import Life, Stage, Written, ended
from services.export.rows import needs_keys
from services.export.selection import newest_position, statement

logger = logging.getLogger("sealbook.export")

JOB_HEADER = "Sealbook-Job-Id"
"""On a job message that `export.request` sent: it counts only for the actor's own job."""
CANCEL_CHECK_SECONDS = 0.5
KEPT_BYTES = 64 * 2**10
"""Of a request that was refused: enough to see what it was."""


@dataclass(frozen=True, slots=True)
class Message:
    """A job message: who asks, what for, when it came, and what tells it from all others; `job_id`
    names a job that was put into the log before the message was sent."""

    actor: str
    body: bytes
    sequence: int
    stored_at: datetime
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """Carries out jobs."""

    process: Process
    keyring: Keyring
    users: Users
    life: Life
    s3: Minio

    async def handle(self, message: Message) -> None:
        """Return when the message may be forgotten.

        Raises:
            Unavailable: a server is away; the message must be delivered again.
        """
        try:
            job = await self._standing(message) or await self._accepted(message)
        except SealbookError as error:
            # A missing right or table is the operator's to mend, not the request's fault.
            if error.retryable or isinstance(error, Misconfigured):
                raise
            await self._refuse(message, error)
        except Exception as error:  # noqa: BLE001 a defect must not come back for ever
            await self._refuse(message, _defect(error))
        else:
            await self._carry_out(job)

    async def _standing(self, message: Message) -> Job | None:
        """The job a message names, if it is the actor's own."""
        job = await self.life.find(message.job_id) if message.job_id else None
        return job if job is not None and job.actor == message.actor else None

    async def _accepted(self, message: Message) -> Job:
        """The job a message asks for, put into the log unless it stands there."""
        request = ExportRequest.read(message.body)
        projects = self.check(message.actor, request)
        if request.as_of is None:
            until = await self.process.log.position_at(message.stored_at)
        else:
            until = await self.process.log.newest()
        job = Job(message.actor, await self.resolve(request, until), projects)
        await self.life.request(job)
        return job

    def check(self, actor: str, request: ExportRequest) -> frozenset[str] | None:
        """The projects a file for `actor` may hold; None means all.

        Raises:
            InvalidInput: a column that does not exist.
            Refused: the actor may not have such a file.
        """
        policy, project = self.process.policy, request.filter.project
        projects = policy.authorized_projects(actor, "export.request", project)
        if not needs_keys(chosen(request.columns), request.payloads):
            return projects
        opened = policy.authorized_projects(actor, "export.payloads", project)
        if projects is None or opened is None:
            return opened if projects is None else projects
        if not projects & opened:
            policy.authorize(actor, "export.payloads", None)
        return projects & opened

    async def resolve(self, request: ExportRequest, until: int) -> ExportRequest:
        """The request at a fixed position: without `as_of`, that of the newest event up to `until`
        that it could show. The same whenever it is resolved again.

        Raises:
            Unavailable: the projection has not got there yet.
            InvalidInput: `as_of` lies ahead of the log.
        """
        if request.as_of is not None and request.as_of > until:
            raise InvalidInput(
                f"The position {request.as_of} lies ahead of the log, which ends at {until}.",
                remedy="Leave `as_of` out, or name a position that has been reached.",
            )
        awaited = until if request.as_of is None else request.as_of
        if not await shows(self.process.database, awaited):
            raise Unavailable(
                "The projection review has not caught up with the log yet.",
                remedy="It does so by itself; see `sealbook status`.",
            )
        if request.as_of is not None:
            return request
        position = await self._scalar(newest_position(until))
        return request.model_copy(update={"as_of": position})

    async def _scalar(self, query: Select[Any]) -> int:
        return await self.process.database.run(lambda c: int(c.execute(query).scalar_one()))

    async def _refuse(self, message: Message, error: SealbookError) -> None:
        """Nobody waits for an answer: the log tells why there is no file."""
        job_id = f"{message.sequence:032x}"
        await self._audit(message.actor, error, job_id)
        body = message.body[:KEPT_BYTES]
        await self.life.fail(job_id, message.actor, error, None, body)
        self.process.metrics.exports.labels(error.code).inc()

    async def _audit(self, actor: str, error: SealbookError, job_id: str) -> None:
        if isinstance(error, Refused):
            await self.process.audit_refusal(
                actor, "export.request", project=error.project, resource=job_id
            )

    async def _carry_out(self, job: Job) -> None:
        """Write the file of a job that is requested; leave none of a job that failed or was
        cancelled, whoever wrote it."""
        requested = await self.life.stage(job.id)
        if requested is not None and not ended(requested):
            outcome = await self._end(job, requested)
            self.process.metrics.exports.labels(outcome).inc()
        stage = await self.life.stage(job.id)
        if stage is not None and isinstance(stage.event, ExportCancelled | ExportFailed):
            await self._remove(job)

    async def _end(self, job: Job, requested: Stage) -> str:
        """Bring a job to its end, which is returned. Raises what waiting may mend."""
        try:
            self._check_rights(job)
            written = await self._write(job)
        except Stopped:
            return "stopped"
        except SealbookError as error:
            if error.retryable:
                raise
            await self._audit(job.actor, error, job.id)
            return await self._fail(job, requested, error)
        except Exception as error:  # noqa: BLE001 a defect must not come back for ever
            return await self._fail(job, requested, _defect(error))
        await self._tell(job, await self.life.complete(job, requested, written))
        return "completed"

    def _check_rights(self, job: Job) -> None:
        """Raise Refused when the actor lost a right since it asked."""
        now = self.check(job.actor, job.request)
        if now is not None and (job.projects is None or not job.projects <= now):
            raise Refused(
                f"{job.actor!r} may no longer export all that export {job.id} would hold.",
                remedy="Request it again: the file then holds what may be exported now.",
                resource=job.id,
            )

    async def _fail(self, job: Job, requested: Stage, error: SealbookError) -> str:
        logger.warning("export %s failed: %s", job.id, error)
        await self.life.fail(job.id, job.actor, error, requested, b"")
        return error.code

    async def _remove(self, job: Job) -> None:
        """No file of a job that has none. Raises Unavailable when S3 is away."""
        bucket = self.process.settings.s3_bucket
        with objects.explained():
            await asyncio.to_thread(self.s3.remove_object, bucket, job.object_key)

    async def _tell(self, job: Job, end: Event) -> None:
        """A hint for whoever waits, readable by all: the log and `export.show` tell the rest."""
        body = to_json({"job_id": job.id, "state": end.type.removeprefix("export.")})
        await self.process.client.publish(subjects.notice("export", job.id), body)

    async def _write(self, job: Job) -> Written:
        user_hash = await self.users.hash_for(job.request.filter)
        query = statement(job, user_hash)
        cancelled = asyncio.Event()
        watch = asyncio.create_task(self._watch(job, cancelled))
        loop = asyncio.get_running_loop()

        def keys_for(ids: set[UUID]) -> Mapping[UUID, DataKey]:
            return asyncio.run_coroutine_threadsafe(self.keyring.for_ids(ids), loop).result()

        try:
            file = ExportFile(job, keys_for, cancelled.is_set)
            return await self.process.database.run(
                file.write, query, self.s3, self.process.settings.s3_bucket
            )
        finally:
            cancelled.set()  # the thread must not go on uploading when we are cancelled
            watch.cancel()

    async def _watch(self, job: Job, cancelled: asyncio.Event) -> None:
        while not cancelled.is_set():
            await asyncio.sleep(CANCEL_CHECK_SECONDS)
            try:
                stage = await self.life.stage(job.id)
            except Unavailable:
                continue
            if stage and ended(stage):
                cancelled.set()


def _defect(error: Exception) -> Defect:
    logger.error("an export failed: %s", place_of(error))
    return Defect(
        f"The export failed unexpectedly ({type(error).__name__}).",
        remedy="See the log of the export service; then request it again.",
    )
