"""Export jobs on real servers: one file per job however often it comes, and a known end."""

import asyncio

import pytest
from exporting import (
    Row,
    all_done,
    downloaded,
    exported,
    fill,
    jobs_of,
    lines_of,
    one_job,
    publish_job,
    refusal,
)
from minio import Minio
from nats.aio.client import Client
from seen import trail
from waiting import until

from sealbook import Recorder
from sealbook.cli.connection import Door
from sealbook.cli.exports import wait_until_ended
from sealbook.cli.stack import Stack
from sealbook.contract.replies import CommandFailed


async def test_the_same_request_twice_is_one_job_and_one_file(
    recorder: Recorder, admin: Door, exporter: Door, bucket: Minio, project: str
) -> None:
    await fill(recorder, admin, project, 3)
    request = {"format": "csv", "filter": {"project": project}}
    first, second = [await exporter.ask("export.request", **request) for _ in range(2)]
    assert first == second
    row = await wait_until_ended(exporter, first["job_id"])
    third = await exporter.ask("export.request", **request)
    assert third["job_id"] == first["job_id"]
    assert [one["job_id"] for one in await jobs_of(exporter)].count(first["job_id"]) == 1
    found = list(bucket.list_objects("sealbook", f"exports/{row['job_id']}/", recursive=True))
    assert [(item.object_name, item.size) for item in found] == [
        (row["object_key"], row["size_bytes"])
    ]


async def test_a_job_message_published_ten_times_gives_one_job_and_one_object(
    stack: Stack,
    recorder: Recorder,
    admin: Door,
    exporter: Door,
    jobs: Client,
    bucket: Minio,
    project: str,
) -> None:
    await fill(recorder, admin, project, 3)
    before = {row["job_id"] for row in await jobs_of(exporter)}
    body = {"format": "ndjson", "filter": {"project": project}}
    await asyncio.gather(*(publish_job(jobs, body) for _ in range(10)))
    await all_done(stack)
    await until(
        lambda: jobs_of(exporter),
        lambda rows: any(row["job_id"] not in before for row in rows),
        "the new job",
    )
    new = [row for row in await jobs_of(exporter) if row["job_id"] not in before]
    assert [row["state"] for row in new] == ["completed"]
    assert len(lines_of(await downloaded(exporter, new[0]))) == 3
    found = list(bucket.list_objects("sealbook", f"exports/{new[0]['job_id']}/", recursive=True))
    assert len(found) == 1
    completions = [
        line
        for line in await trail(admin, actor="exporter")
        if line["action"] == "export.completed" and line["resource"] == new[0]["job_id"]
    ]
    assert len(completions) == 1


async def test_a_completed_job_that_is_delivered_again_stays_as_it_was(
    stack: Stack,
    recorder: Recorder,
    admin: Door,
    exporter: Door,
    jobs: Client,
    bucket: Minio,
    project: str,
) -> None:
    await fill(recorder, admin, project, 3)
    body = {"format": "csv", "filter": {"project": project}}
    row, content = await exported(exporter, **body)
    before = bucket.stat_object("sealbook", row["object_key"])
    await publish_job(jobs, {**body, "as_of": row["position"]})
    await all_done(stack)
    after = bucket.stat_object("sealbook", row["object_key"])
    assert (after.last_modified, after.etag) == (before.last_modified, before.etag)
    assert (await wait_until_ended(exporter, row["job_id"])) == row
    assert await downloaded(exporter, row) == content


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"columns": ["id", "nonsense"]}, "'nonsense'"),
        ({"columns": ["id", "id"]}, "named twice"),
        ({"format": "pdf"}, "`format`"),
        ({"table": "secrets"}, "`table`"),
        ({"filter": {"colour": "red"}}, "`filter.colour`"),
        ({"filter": {"status": "fine"}}, "`filter.status`"),
        ({"filter": {"user": "u"}}, "needs `project`"),
        ({"limit": 0}, "`limit`"),
        ({"compression": "lzma"}, "`compression`"),
        ({"surprise": 1}, "`surprise`"),
    ],
)
async def test_what_does_not_exist_is_refused_by_name_at_the_door_and_fails_on_the_bus(
    exporter: Door, jobs: Client, body: Row, named: str
) -> None:
    error = await refusal(exporter, **body)
    assert error.code == "invalid"
    assert named in error.message
    sequence = await publish_job(jobs, body)
    [row] = await until(
        lambda: failed(exporter, sequence), bool, f"export.failed for message {sequence}"
    )
    assert (row["state"], row["error_code"], row["actor"]) == ("failed", "invalid", "exporter")


async def failed(door: Door, sequence: int) -> list[Row]:
    return [row for row in await jobs_of(door) if row["job_id"] == f"{sequence:032x}"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"[" * 100, b'"\\ud800"'])
async def test_a_broken_job_message_becomes_a_failed_export_and_the_next_goes_on(
    exporter: Door, jobs: Client, body: bytes
) -> None:
    sequence = await publish_job(jobs, body)
    if body:
        await until(lambda: failed(exporter, sequence), bool, "the failed export")
    row, _ = await exported(exporter, format="csv", limit=1)
    assert row["state"] == "completed"


async def test_a_position_ahead_of_the_log_is_refused_at_the_door_and_fails_on_the_bus(
    exporter: Door, jobs: Client
) -> None:
    body = {"format": "csv", "as_of": 2**40}
    error = await refusal(exporter, **body)
    assert (error.code, "lies ahead of the log" in error.message) == ("invalid", True)
    sequence = await publish_job(jobs, body)
    [row] = await until(lambda: failed(exporter, sequence), bool, "the failed export")
    assert row["error_code"] == "invalid"


async def test_an_ended_job_cannot_be_cancelled(exporter: Door) -> None:
    row, _ = await exported(exporter, format="csv", limit=1)
    error = await refusal(exporter, "export.cancel", job_id=row["job_id"])
    assert error.code == "conflict"
    assert (await refusal(exporter, "export.cancel", job_id="0" * 32)).code == "not_found"


async def test_a_cancelled_job_has_no_file_and_never_completes(
    stack: Stack,
    recorder: Recorder,
    admin: Door,
    exporter: Door,
    bucket: Minio,
    project: str,
) -> None:
    """Ten jobs are ahead of it in the queue; one is at work at a time."""
    await fill(recorder, admin, project, 3)
    others = [{"format": "csv", "idempotency_key": f"{project}-{n}"} for n in range(10)]
    for body in others:
        await exporter.ask("export.request", **body)
    job_id = (await exporter.ask("export.request", format="csv", filter={"project": project}))[
        "job_id"
    ]

    async def cancel() -> str:
        try:
            return str((await exporter.ask("export.cancel", job_id=job_id))["ended_by"])
        except CommandFailed as error:
            return error.code

    outcome = await until(cancel, lambda code: code != "not_found", "the job to be known")
    row = await until(
        lambda: one_job(exporter, job_id),
        lambda row: row.get("state") in ("cancelled", "completed"),
        "the end of the job",
    )
    if outcome == "export.cancelled":
        assert row["state"] == "cancelled"
        await all_done(stack)
        assert (await one_job(exporter, job_id))["state"] == "cancelled"
        assert not list(bucket.list_objects("sealbook", f"exports/{job_id}/", recursive=True))
        assert (await refusal(exporter, "export.download", job_id=job_id)).code == "not_found"
    else:
        assert (outcome, row["state"]) in [
            ("conflict", "completed"),
            ("export.completed", "completed"),
        ]
