"""Files of exports: kept with a completed job, removed where the job ended otherwise."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from lives import CANARY, Service, job, sent
from minio.error import S3Error
from urllib3.exceptions import HTTPError, ProtocolError

from sealbook.contract import subjects
from sealbook.errors import Misconfigured, Unavailable
from services.export.job import Job


async def test_a_completed_job_keeps_its_file_and_is_told_once(service: Service) -> None:
    for _ in range(2):
        await service.worker.handle(sent())
    made = job(as_of=90)
    assert service.log.types == ["export.requested", "export.completed"]
    assert service.database.written == [made.object_key]
    assert service.removed == []
    assert service.notices == [
        (subjects.notice("export", made.id), {"job_id": made.id, "state": "completed"})
    ]


async def end_as(service: Service, how: str, one: Job) -> None:
    stage = await service.life.stage(one.id)
    assert stage is not None
    if how == "cancelled":
        await service.life.cancel(one.id, one.actor, stage)
    else:
        await service.life.fail(one.id, one.actor, Unavailable("away"), stage, b"")


@pytest.mark.parametrize("how", ["cancelled", "failed"])
async def test_a_file_of_a_job_that_ended_meanwhile_is_removed(service: Service, how: str) -> None:
    made = job(as_of=90)
    service.database.meanwhile = lambda: end_as(service, how, made)
    await service.worker.handle(sent())
    assert service.log.types == ["export.requested", f"export.{how}"]
    assert service.removed == [("sealbook", made.object_key)]
    assert service.notices == [
        (subjects.notice("export", made.id), {"job_id": made.id, "state": how})
    ]


async def test_a_job_requested_again_meanwhile_keeps_its_file(service: Service) -> None:
    made = job(as_of=90)

    async def again() -> None:
        await end_as(service, "failed", made)
        stage = await service.life.stage(made.id)
        assert stage is not None
        await service.life.request(made, after=stage.position)

    service.database.meanwhile = again
    await service.worker.handle(sent())
    # Whoever carries out the second request has put, or puts, its file there.
    assert service.removed == []
    assert service.log.types == ["export.requested", "export.failed", "export.requested"]


@pytest.mark.parametrize("how", ["cancelled", "failed"])
async def test_what_a_killed_worker_left_of_an_ended_job_is_removed(
    service: Service, how: str
) -> None:
    made = job(as_of=90)
    await service.life.request(made)
    await end_as(service, how, made)
    await service.worker.handle(sent())
    assert service.removed == [("sealbook", made.object_key)]
    assert service.database.written == []
    assert service.log.types == ["export.requested", f"export.{how}"]


def s3_says(code: str, status: int) -> S3Error:
    response = cast("Any", SimpleNamespace(status=status))
    return S3Error(response, code, CANARY, "r", "i", "h", "sealbook", "exports/j/f.csv")


@pytest.mark.parametrize(
    "error",
    [HTTPError(CANARY), ProtocolError(CANARY), s3_says("SlowDown", 503), s3_says("Odd", 500)],
    ids=["http", "protocol", "busy", "broken"],
)
@pytest.mark.parametrize("when", ["ended before", "ends meanwhile"])
async def test_without_s3_a_file_is_removed_later(
    service: Service, when: str, error: Exception
) -> None:
    made = job(as_of=90)
    if when == "ended before":
        await service.life.request(made)
        await end_as(service, "cancelled", made)
    else:
        service.database.meanwhile = lambda: end_as(service, "cancelled", made)
    service.removal_fails = error
    with pytest.raises(Unavailable) as caught:
        await service.worker.handle(sent())
    assert CANARY not in str(caught.value)
    service.removal_fails = None
    await service.worker.handle(sent())
    assert service.removed == [("sealbook", made.object_key)]
    assert service.log.types == ["export.requested", "export.cancelled"]


async def test_a_right_that_s3_refuses_is_waited_for_and_fails_no_job_again(
    service: Service,
) -> None:
    made = job(as_of=90)
    await service.life.request(made)
    await end_as(service, "cancelled", made)
    service.removal_fails = s3_says("AccessDenied", 403)
    with pytest.raises(Misconfigured):
        await service.worker.handle(sent())
    assert service.log.types == ["export.requested", "export.cancelled"]
