"""Downloads of exports: on the record before the link, for who may export all that is in them."""

from types import SimpleNamespace

import pytest
from lives import Service, job

from sealbook.contract.commands import ExportCommand
from sealbook.contract.events import DownloadIssued
from sealbook.errors import NotFound, Refused, Unavailable
from sealbook.runtime.authorization import parse_policy

JOB = "0123456789abcdef0123456789abcdef"


def completed(
    actor: str = "alice",
    state: str = "completed",
    project: str | None = "support",
    projects: list[str] | None = None,
) -> SimpleNamespace:
    return SimpleNamespace(
        actor=actor, project=project, projects=projects, state=state,
        object_key="exports/j/f.csv", rows=1, size_bytes=2, sha256="s",
    )  # fmt: skip


@pytest.mark.parametrize("actor", ["alice", "root"])
async def test_a_download_is_on_the_record_before_the_link_is_made(
    service: Service, actor: str
) -> None:
    service.database.row = completed()
    reply = await service.commands.download(actor, ExportCommand(job_id=JOB))
    assert (reply["url"], reply["filename"]) == ("https://s3/exports/j/f.csv", "f.csv")
    (event,) = service.log.events
    assert isinstance(event, DownloadIssued)
    assert (event.job_id, event.actor) == (JOB, actor)
    assert event.issued_at.tzinfo is not None
    assert service.log.entries[0].subject == f"sealbook.log.3.download.issued.{JOB}"


async def test_without_the_record_there_is_no_link(service: Service) -> None:
    service.database.row = completed()
    service.log.away = True
    with pytest.raises(Unavailable):
        await service.commands.download("alice", ExportCommand(job_id=JOB))
    assert service.links == []


@pytest.mark.parametrize(
    ("actor", "row", "error"),
    [
        ("bob", completed(), Refused),
        ("carol", completed("carol"), Refused),
        ("alice", completed(state="failed"), NotFound),
    ],
)
async def test_who_gets_no_file_gets_no_link_and_issues_nothing(
    service: Service, actor: str, row: SimpleNamespace, error: type[Exception]
) -> None:
    service.database.row = row
    with pytest.raises(error):
        await service.commands.download(actor, ExportCommand(job_id=JOB))
    assert (service.links, service.log.events) == ([], [])


@pytest.mark.parametrize(
    ("project", "projects", "today", "allowed"),
    [
        # A file of one project: the right in that one, wherever else there is one or not.
        ("support", ["sales", "support"], ["support"], True),
        ("support", ["sales", "support"], ["sales"], False),
        ("support", None, ["support"], True),
        ("support", None, ["sales"], False),
        # A file of several: the right in each of them.
        (None, ["sales", "support"], ["sales", "support"], True),
        (None, ["sales", "support"], ["sales", "support", "x"], True),
        (None, ["sales", "support"], ["*"], True),
        (None, ["sales", "support"], ["support"], False),
        (None, ["sales", "support"], ["sales"], False),
        (None, ["sales", "support"], ["x"], False),
        # A file of all: the right in all, of today and to come.
        (None, None, ["*"], True),
        (None, None, ["sales", "support"], False),
    ],
)
async def test_a_file_is_given_to_who_may_export_all_it_holds_today(
    service: Service,
    project: str | None,
    projects: list[str] | None,
    today: list[str],
    allowed: bool,
) -> None:
    service.database.row = completed(project=project, projects=projects)
    service.process.policy = parse_policy({"actors": {"alice": {"exporter": today}}})  # type: ignore[misc]
    command = ExportCommand(job_id=JOB)
    if allowed:
        await service.commands.download("alice", command)
        assert service.log.types == ["download.issued"]
        assert service.links == ["exports/j/f.csv"]
    else:
        with pytest.raises(Refused):
            await service.commands.download("alice", command)
        assert (service.links, service.log.events) == ([], [])


@pytest.mark.parametrize("project", [None, "support"])
async def test_who_lost_its_rights_gets_none_of_its_files(
    service: Service, project: str | None
) -> None:
    service.database.row = completed(project=project, projects=["support"])
    service.process.policy = parse_policy({"actors": {"alice": {"reader": ["*"]}}})  # type: ignore[misc]
    with pytest.raises(Refused):
        await service.commands.download("alice", ExportCommand(job_id=JOB))
    assert (service.links, service.log.events) == ([], [])


async def test_a_download_does_not_end_or_change_the_job(service: Service) -> None:
    stage = await service.life.request(job())
    await service.life.tell_download(job().id, "alice")
    assert await service.life.stage(job().id) == stage
