"""export's own projection: the life of every job, for lists and downloads."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    MetaData,
    Row,
    Table,
    Text,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or

from sealbook.contract.events import (
    Event,
    ExportCancelled,
    ExportCompleted,
    ExportFailed,
    ExportRequested,
)
from sealbook.errors import NotFound
from sealbook.projection.projector import Placed

JOB_VIEW = "job_v1"


def job_columns() -> list[Column[object]]:
    """One row per job; `log_position` is that of its last event."""
    moment = DateTime(timezone=True)
    return [
        Column("job_id", Text, primary_key=True),
        Column("log_position", BigInteger, nullable=False, index=True),
        Column("actor", Text, nullable=False),
        Column("project", Text),
        Column("projects", ARRAY(Text)),
        Column("state", Text, nullable=False),
        Column("format", Text),
        Column("position", BigInteger),
        Column("requested_at", moment),
        Column("ended_at", moment),
        Column("object_key", Text),
        Column("rows", BigInteger),
        Column("size_bytes", BigInteger),
        Column("sha256", Text),
        Column("truncated", Boolean),
        Column("error_code", Text),
    ]


metadata = MetaData()
job = Table("job", metadata, *job_columns())
jobs = Table(JOB_VIEW, MetaData(schema="export"), *job_columns())


class ExportProjector:
    """A `Projector`."""

    name = "export"
    version = 1
    event_types = (
        "export.requested",
        "export.completed",
        "export.failed",
        "export.cancelled",
    )
    tables = metadata
    views = {JOB_VIEW: "SELECT * FROM job"}  # noqa: RUF012 a constant

    def apply(self, batch: Sequence[Placed], connection: Connection) -> None:
        # Jobs are few, and each event of a job changes its row: one by one is right here.
        for placed in batch:
            row = _row(placed.event) | {"log_position": placed.position}
            if isinstance(placed.event, ExportRequested | ExportFailed):
                statement = insert_or(job).values(row)
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["job_id"], set_=row)
                )
            else:
                connection.execute(update(job).where(job.c.job_id == row["job_id"]).values(row))


def find(connection: Connection, job_id: str) -> Row[Any]:
    """A job's row. Raises NotFound."""
    row = connection.execute(select(jobs).where(jobs.c.job_id == job_id)).first()
    if row is None:
        raise NotFound(
            f"There is no export {job_id}.",
            remedy="`sealbook export list` shows yours; a new one may need a second to appear.",
        )
    return row


def page(
    connection: Connection, actor: str | None, limit: int, before: int | None
) -> list[dict[str, Any]]:
    """One page, newest first, of one actor's jobs (None: everybody's)."""
    query = select(jobs).order_by(jobs.c.log_position.desc()).limit(limit)
    if actor is not None:
        query = query.where(jobs.c.actor == actor)
    if before is not None:
        query = query.where(jobs.c.log_position < before)
    return [dict(row) for row in connection.execute(query).mappings()]


def _row(event: Event) -> dict[str, Any]:
    match event:
        case ExportRequested():
            # Requested again after a failure, it starts anew.
            kept = dict.fromkeys(("ended_at", "error_code"))
            kept |= event.model_dump(include={"actor", "project", "format", "position"})
            kept |= {"state": "requested", "requested_at": event.requested_at}
            kept |= {"projects": list(event.projects) if event.projects is not None else None}
        case ExportCompleted():
            kept = event.model_dump(
                include={"object_key", "rows", "size_bytes", "sha256", "truncated"}
            )
            kept |= {"state": "completed", "ended_at": event.completed_at}
        case ExportFailed():
            kept = event.model_dump(include={"actor", "error_code"})
            kept |= {"state": "failed", "ended_at": event.failed_at}
        case ExportCancelled():
            kept = {"state": "cancelled", "ended_at": event.cancelled_at}
        case _:
            raise TypeError(f"{event.type} is not an event of an export")
    return kept | {"job_id": event.key}
