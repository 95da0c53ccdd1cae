"""The life of an export: one job for a request, the projects it holds, one end on the record."""

import json
from dataclasses import replace

import pytest
from lives import AT, Service, asked, job
from sqlalchemy.dialects import postgresql

from sealbook.contract.events import (
    EVENT_TYPES,
    ExportCancelled,
    ExportCompleted,
    ExportFailed,
    ExportRequested,
)
from sealbook.errors import Conflict, Unavailable
from sealbook.runtime.authorization import parse_policy
from services.export.selection import statement
from services.export.table import ExportProjector, _row
from services.export.worker import Message


@pytest.mark.parametrize(
    ("actor", "project", "projects"),
    [
        ("alice", "support", ("support",)),
        ("alice", None, ("support",)),
        ("dora", None, ("sales", "support")),
        ("bob", None, None),
        ("bob", "support", None),
    ],
)
@pytest.mark.parametrize("way", ["message", "command"])
async def test_a_job_holds_the_projects_its_actor_could_export_when_it_asked(
    service: Service, way: str, actor: str, project: str | None, projects: tuple[str, ...] | None
) -> None:
    request = asked(filter={"project": project} if project else {})
    if way == "message":
        await service.worker.handle(Message(actor, request.model_dump_json().encode(), 7, AT))
    else:
        await service.commands.request(actor, request)
    event = service.log.events[0]
    assert isinstance(event, ExportRequested)
    assert (event.project, event.projects) == (project, projects)
    made = await service.life.requested_job(event)
    assert made.projects == (None if projects is None else frozenset(projects))
    assert made.id == event.job_id
    # The list on record is that of the file and of who may download it.
    assert _row(event)["projects"] == (None if projects is None else list(projects))


async def test_the_file_holds_the_projects_on_record_whatever_is_allowed_by_then(
    service: Service,
) -> None:
    stage = await service.life.request(job())
    service.process.policy = parse_policy({"actors": {"alice": {"exporter": ["*"]}}})  # type: ignore[misc]
    assert isinstance(stage.event, ExportRequested)
    made = await service.life.requested_job(stage.event)
    assert made == job()
    text = str(
        statement(made, None).compile(
            dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
        )
    )
    assert "project IN ('support')" in text
    text = str(statement(replace(made, projects=None), None).compile(dialect=postgresql.dialect()))
    assert "project IN" not in text


async def test_a_repeated_request_is_the_job_it_was_and_its_stage(service: Service) -> None:
    first = await service.life.request(job(idempotency_key="k"))
    assert (first.position, first.event.type) == (1, "export.requested")
    again = await service.life.request(job(idempotency_key="k", as_of=99))
    assert again == first
    assert isinstance(first.event, ExportRequested)
    assert await service.life.requested_job(first.event) == job(idempotency_key="k")
    assert len(service.log.events) == 1


async def test_an_idempotency_key_stands_for_one_request(service: Service) -> None:
    await service.life.request(job(idempotency_key="k"))
    with pytest.raises(Conflict, match="was used for another request"):
        await service.life.request(job(idempotency_key="k", format="ndjson"))
    assert len(service.log.events) == 1


async def test_what_failed_can_be_requested_again_and_what_ended_otherwise_not(
    service: Service,
) -> None:
    stage = await service.life.request(job())
    await service.life.fail(job().id, "alice", Unavailable("away"), stage, b"")
    failed = await service.life.request(job())
    assert (failed.position, failed.event.type) == (2, "export.failed")
    again = await service.life.request(job(), after=failed.position)
    assert (again.position, again.event.type) == (3, "export.requested")
    end = await service.life.cancel(job().id, "alice", again)
    assert isinstance(end, ExportCancelled)
    assert (await service.life.request(job(), after=failed.position)).event == end


async def test_a_command_requests_a_failed_job_again_and_sends_what_is_on_the_record(
    service: Service,
) -> None:
    reply = await service.commands.request("alice", asked())
    assert reply == {"job_id": job(as_of=90).id, "position": 90}
    stage = await service.life.stage(reply["job_id"])
    await service.life.fail(reply["job_id"], "alice", Unavailable("away"), stage, b"")
    assert await service.commands.request("alice", asked()) == reply
    assert service.log.types == ["export.requested", "export.failed", "export.requested"]
    sent = json.loads(job(as_of=90).request_body())
    assert service.jobs == [("sealbook.job.export.alice", sent)] * 2


async def test_an_ended_job_is_not_sent_again(service: Service) -> None:
    reply = await service.commands.request("alice", asked())
    stage = await service.life.stage(reply["job_id"])
    assert stage is not None
    await service.life.cancel(reply["job_id"], "alice", stage)
    assert await service.commands.request("alice", asked()) == reply
    assert len(service.jobs) == 1


async def test_an_event_of_a_job_has_one_id(service: Service) -> None:
    stage = await service.life.request(job())
    await service.life.cancel(job().id, "alice", stage)
    for entry, event in zip(service.log.entries, service.log.events, strict=True):
        assert entry.headers["ce-id"] == str(event.id)  # type: ignore[attr-defined]


async def test_a_job_requested_again_forgets_how_it_failed(service: Service) -> None:
    stage = await service.life.request(job())
    failed = await service.life.fail(job().id, "alice", Unavailable("away"), stage, b"")
    again = await service.life.request(job(), after=2)
    assert _row(failed)["error_code"] == "unavailable"
    row = _row(again.event)
    assert (row["state"], row["ended_at"], row["error_code"]) == ("requested", None, None)


def test_exports_own_projection_reads_the_lives_of_jobs_and_nothing_else() -> None:
    lives = {ExportRequested, ExportCompleted, ExportFailed, ExportCancelled}
    assert set(ExportProjector.event_types) == {event.type for event in lives}
    assert set(ExportProjector.event_types) == {
        name for name in EVENT_TYPES if name.startswith("export.")
    }
