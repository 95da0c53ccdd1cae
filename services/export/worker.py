"""One job message: authorized, resolved to a position, written once, acknowledged last."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from minio import Minio

from sealbook.contract import subjects
from sealbook.contract.commands import ExportRequest
from sealbook.contract.events import Event, ExportCancelled, ExportRequested
from sealbook.errors import InvalidInput, Refused, SealbookError, Unavailable
from sealbook.runtime.process import Process
from sealbook.runtime.users import Users
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring
from sealbook.stream.atomic import Outgoing, publish
from services.export.columns import chosen
from services.export.file import ExportFile, Stopped
from services.export.job import Job
from services.export.life import Life, Stage, Written, ended
from services.export.rows import needs_keys
from services.export.selection import newest_position, statement

logger = logging.getLogger("sealbook.export")

CANCEL_CHECK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Message:
    """A job message: who asks, what for, and what tells it from all others."""

    actor: str
    body: bytes
    sequence: int


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
            request = self.accept(message.actor, message.body)
        except SealbookError as error:
            await self._refuse(message, error)
            return
        if request.as_of is None:
            await self._resolve(message, request)
            return
        stage = await self.life.request(Job(message.actor, request))
        if not ended(stage):
            await self._carry_out(stage)

    def accept(self, actor: str, body: bytes) -> ExportRequest:
        """The request in a body. Raises InvalidInput or Refused."""
        request = ExportRequest.read(body)
        self.check(actor, request)
        return request

    def check(self, actor: str, request: ExportRequest) -> None:
        """Raise InvalidInput or Refused unless `actor` may have such a file.

        Without a project in the filter the file holds the projects the actor may export.
        """
        columns = chosen(request.columns)
        actions = ["export.request"]
        if needs_keys(columns, request.payloads):
            actions.append("export.payloads")
        project = request.filter.project
        for action in actions:
            if project is None:
                self.process.policy.authorize_anywhere(actor, action)
            else:
                self.process.policy.authorize(actor, action, project)

    async def resolve(self, request: ExportRequest) -> ExportRequest:
        """The request with its position fixed: that of the newest event it could show."""
        if request.as_of is None:
            position = await self.process.database.run(
                lambda c: int(c.execute(newest_position()).scalar_one())
            )
            return request.model_copy(update={"as_of": position})
        return request

    async def _resolve(self, message: Message, request: ExportRequest) -> None:
        """Put the request back with its position. Its message id makes a second delivery of the
        first message harmless."""
        job = Job(message.actor, await self.resolve(request))
        headers = {"Nats-Msg-Id": f"resolved-{message.sequence}"}
        resolved = Outgoing(subjects.export_job(job.actor), job.request_body(), headers)
        await publish(self.process.client, resolved)

    async def _refuse(self, message: Message, error: SealbookError) -> None:
        """Nobody waits for an answer: the log tells why there is no file."""
        job_id = f"{message.sequence:032x}"
        if isinstance(error, Refused):
            await self.process.audit_refusal(
                message.actor, "export.request", project=error.project, resource=job_id
            )
        await self.life.fail(job_id, message.actor, error, None, message.body)
        self.process.metrics.exports.labels(error.code).inc()

    async def _carry_out(self, requested: Stage) -> None:
        event = requested.event
        assert isinstance(event, ExportRequested)  # noqa: S101 the caller looked
        job = await self.life.requested_job(event)
        try:
            written = await self._write(job)
        except Stopped:
            outcome = "cancelled"
        except Unavailable:
            raise
        except SealbookError as error:
            await self.life.fail(job.id, job.actor, error, requested, b"")
            outcome = error.code
            logger.warning("export %s failed: %s", job.id, error)
        else:
            await self._finish(job, requested, written)
            outcome = "completed"
        self.process.metrics.exports.labels(outcome).inc()

    async def _finish(self, job: Job, requested: Stage, written: Written) -> None:
        end = await self.life.complete(job, requested, written)
        if isinstance(end, ExportCancelled):
            bucket = self.process.settings.s3_bucket
            await asyncio.to_thread(self.s3.remove_object, bucket, job.object_key)
        await self._tell(job, end)

    async def _tell(self, job: Job, end: Event) -> None:
        """A hint for whoever waits; the log is what counts."""
        body = end.model_dump_json(exclude={"sealed"}).encode()
        await self.process.client.publish(subjects.notice("export", job.id), body)

    async def _write(self, job: Job) -> Written:
        await self._check_position(job)
        user_hash = await self.users.hash_for(job.request.filter)
        projects = self.process.policy.projects(job.actor, "export.request")
        query = statement(job, user_hash, projects)
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

    async def _check_position(self, job: Job) -> None:
        newest = (await self.resolve(job.request.model_copy(update={"as_of": None}))).as_of
        if newest is None or job.position > newest:
            raise InvalidInput(
                f"The position {job.position} lies ahead of the newest event, {newest}.",
                remedy="Leave `as_of` out, or name a position that has been reached.",
            )
