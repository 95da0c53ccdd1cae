"""One job message: authorized, resolved to a position, written once, acknowledged last."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from minio import Minio
from minio.error import MinioException
from pydantic_core import to_json
from sqlalchemy import Select
from urllib3.exceptions import HTTPError

from sealbook.contract import subjects
from sealbook.contract.commands import ExportRequest
from sealbook.contract.events import (
    Event,
    ExportCancelled,
    ExportCompleted,
    ExportFailed,
    ExportRequested,
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

CANCEL_CHECK_SECONDS = 0.5
KEPT_BYTES = 64 * 2**10
"""Of a request that was refused: enough to see what it was."""


@dataclass(frozen=True, slots=True)
class Message:
    """A job message: who asks, what for, when it came, and what tells it from all others."""

    actor: str
    body: bytes
    sequence: int
    stored_at: datetime


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
            job, stage = await self._accepted(message)
        except SealbookError as error:
            # A missing right or table is the operator's to mend, not the request's fault.
            if error.retryable or isinstance(error, Misconfigured):
                raise
            await self._refuse(message, error)
        except Exception as error:  # noqa: BLE001 a defect must not come back for ever
            await self._refuse(message, _defect(error))
        else:
            if not ended(stage):
                await self._carry_out(stage)
            elif not isinstance(stage.event, ExportCompleted):
                await self._remove(job)  # what a killed worker may have left

    async def _accepted(self, message: Message) -> tuple[Job, Stage]:
        request = ExportRequest.read(message.body)
        projects = self.check(message.actor, request)
        if request.as_of is None:
            until = await self.process.log.position_at(message.stored_at)
        else:
            until = await self.process.log.newest()
        job = Job(message.actor, await self.resolve(request, until), projects)
        return job, await self.life.request(job)

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
        job_id, requested = await self._named(message)
        if isinstance(error, Refused):
            await self.process.audit_refusal(
                message.actor, "export.request", project=error.project, resource=job_id
            )
        body = message.body[:KEPT_BYTES]
        await self.life.fail(job_id, message.actor, error, requested, body)
        self.process.metrics.exports.labels(error.code).inc()

    async def _named(self, message: Message) -> tuple[str, Stage | None]:
        """The job that stands in the log for this message, else an id made of its sequence."""
        try:
            request = ExportRequest.read(message.body)
            job = Job(message.actor, request, self.check(message.actor, request))
        except SealbookError:
            return f"{message.sequence:032x}", None
        stage = await self.life.stage(job.id)
        if stage is None or ended(stage):
            return f"{message.sequence:032x}", None
        return job.id, stage

    async def _carry_out(self, requested: Stage) -> None:
        event = requested.event
        assert isinstance(event, ExportRequested)  # noqa: S101 the caller looked
        job = await self.life.requested_job(event)
        try:
            written = await self._write(job)
        except Stopped:
            outcome = "stopped"
        except SealbookError as error:
            if error.retryable:
                raise
            outcome = await self._fail(job, requested, error)
        except Exception as error:  # noqa: BLE001 a defect must not come back for ever
            outcome = await self._fail(job, requested, _defect(error))
        else:
            await self._finish(job, requested, written)
            outcome = "completed"
        self.process.metrics.exports.labels(outcome).inc()

    async def _fail(self, job: Job, requested: Stage, error: SealbookError) -> str:
        logger.warning("export %s failed: %s", job.id, error)
        await self.life.fail(job.id, job.actor, error, requested, b"")
        return error.code

    async def _finish(self, job: Job, requested: Stage, written: Written) -> None:
        end = await self.life.complete(job, requested, written)
        if isinstance(end, ExportCancelled | ExportFailed):
            await self._remove(job)
        await self._tell(job, end)

    async def _remove(self, job: Job) -> None:
        """No file of a job that has none. Raises Unavailable when S3 is away."""
        bucket = self.process.settings.s3_bucket
        try:
            await asyncio.to_thread(self.s3.remove_object, bucket, job.object_key)
        except MinioException as error:
            raise objects.refused(error) from None
        except HTTPError as error:
            raise objects.unreachable(error) from None

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
