"""The verbs of export: request, list, show, cancel, download."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from sealbook.contract import subjects
from sealbook.contract.commands import ExportCommand, ExportRequest, ListExports
from sealbook.contract.events import ExportFailed, ExportRequested
from sealbook.errors import Conflict, NotFound
from sealbook.runtime import objects
from sealbook.runtime.commands import Verb
from sealbook.runtime.process import Process
from sealbook.stream.atomic import Outgoing, publish
from services.export import table
from services.export.job import Job
from services.export.life import ended
from services.export.worker import JOB_HEADER, Worker

LINK_MINUTES = 15


@dataclass(frozen=True, slots=True)
class ExportCommands:
    """Actors see and steer their own jobs; administrators of all projects everybody's."""

    process: Process
    worker: Worker

    def verbs(self) -> list[Verb]:
        return [
            Verb("export.request", ExportRequest, self.request),
            Verb("export.list", ListExports, self.list),
            Verb("export.show", ExportCommand, self.show),
            Verb("export.cancel", ExportCommand, self.cancel),
            Verb("export.download", ExportCommand, self.download),
        ]

    async def request(self, actor: str, request: ExportRequest) -> dict[str, Any]:
        """The same as publishing a job message, with an answer: the job's id."""
        projects = self.worker.check(actor, request)
        life = self.worker.life
        until = await self.process.log.newest()
        job = Job(actor, await self.worker.resolve(request, until), projects)
        stage = await life.request(job)
        if isinstance(stage.event, ExportFailed):
            stage = await life.request(job, after=stage.position)
        if isinstance(stage.event, ExportRequested):
            job = await life.requested_job(stage.event)
            # Delivered twice it is still one job: what counts is in the log by now.
            subject, body = subjects.export_job(actor), job.request_body()
            await publish(self.process.client, Outgoing(subject, body, {JOB_HEADER: job.id}))
        return {"job_id": job.id, "position": job.position}

    async def list(self, actor: str, command: ListExports) -> dict[str, Any]:
        self.process.policy.authorized_projects(actor, "export.list", None)
        whose = None if self._sees_all(actor) else actor
        rows = await self.process.database.run(table.page, whose, command.limit, command.before)
        return {
            "exports": rows,
            "next": rows[-1]["log_position"] if len(rows) == command.limit else None,
        }

    async def show(self, actor: str, command: ExportCommand) -> dict[str, Any]:
        row = await self._mine(actor, "export.list", command.job_id)
        return {"export": dict(row._mapping)}

    async def cancel(self, actor: str, command: ExportCommand) -> dict[str, Any]:
        await self._mine(actor, "export.cancel", command.job_id)
        stage = await self.worker.life.stage(command.job_id)
        if stage is None or ended(stage):
            state = stage.event.type if stage else "unknown"
            raise Conflict(
                f"Export {command.job_id} has ended already ({state}).",
                remedy="Nothing to do.",
            )
        end = await self.worker.life.cancel(command.job_id, actor, stage)
        return {"job_id": command.job_id, "ended_by": end.type}

    async def download(self, actor: str, command: ExportCommand) -> dict[str, Any]:
        row = await self._mine(actor, "export.download", command.job_id)
        if row.state != "completed":
            raise NotFound(
                f"Export {command.job_id} has no file: it is {row.state}.",
                remedy="Wait until it is completed; `export show` tells why one failed.",
            )
        # The file holds what could be exported then; it is given to who may export it now.
        held = [row.project] if row.project else row.projects
        for project in held if held is not None else [None]:
            self.process.policy.authorize(
                actor, "export.download", project, resource=command.job_id
            )
        await self.worker.life.tell_download(command.job_id, actor)
        url = await asyncio.to_thread(self._link, row.object_key)
        return {
            "url": url,
            "rows": row.rows,
            "size_bytes": row.size_bytes,
            "sha256": row.sha256,
            "filename": row.object_key.rsplit("/", 1)[-1],
        }

    def _link(self, object_key: str) -> str:
        with objects.explained():
            return self.worker.s3.presigned_get_object(
                self.process.settings.s3_bucket,
                object_key,
                expires=timedelta(minutes=LINK_MINUTES),
                response_headers={"response-cache-control": "no-store"},
            )

    async def _mine(self, actor: str, action: str, job_id: str) -> Row[Any]:
        row = await self.process.database.run(table.find, job_id)
        self.process.policy.authorized_projects(actor, action, row.project)
        if row.actor != actor:
            self.process.policy.authorize(actor, "status", None, resource=job_id)
        return row

    def _sees_all(self, actor: str) -> bool:
        return self.process.policy.allows(actor, "status", None)
