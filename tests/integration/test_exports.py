"""Exports on real servers: what is in the file, one file per job, who gets which rows."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from exporting import csv_of, downloaded, exported, exported_rows, fetch, lines_of
from minio import Minio
from nats.aio.client import Client
from seen import interactions, recorded, trail
from sending import CALL, CALL_CENTS, connect
from stacks import ONE_PROJECT
from waiting import until

from sealbook import Recorder
from sealbook.cli.connection import Door
from sealbook.cli.exports import wait_until_ended
from sealbook.cli.stack import Stack
from sealbook.contract.replies import CommandFailed
from sealbook.contract.subjects import JOB_STREAM
from services.export.columns import DEFAULT, SEALED

Row = dict[str, Any]
WITH_REVIEW = ["id", "session_id", "review_state", "reviewed_by", "reviewed_at", "log_position"]


@pytest.fixture
async def jobs(stack: Stack) -> AsyncIterator[Client]:
    """A plain NATS client that publishes jobs as the exporter."""
    client = await connect(stack, "exporter")
    yield client
    await client.close()


@pytest.fixture
def bucket(stack: Stack) -> Minio:
    at = stack.servers.endpoints.s3
    return Minio(
        at.address,
        access_key=at.access_key,
        secret_key=at.secret_key,
        secure=False,
        region=at.region,
    )


async def fill(recorder: Recorder, admin: Door, project: str, count: int) -> list[Row]:
    """The interactions, oldest first."""
    receipts = await recorder.record_many(
        {**CALL, "session_id": f"s-{number}", "tags": ["a", f"t{number}"]}
        for number in range(count)
    )
    assert all(receipt.ok for receipt in receipts)
    return (await recorded(admin, project, count))[::-1]


async def publish_job(client: Client, body: bytes | Row) -> int:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = await client.request("sealbook.job.export.exporter", content, timeout=10)
    sequence: int = json.loads(reply.data)["seq"]
    return sequence


async def jobs_of(door: Door) -> list[Row]:
    rows: list[Row] = (await door.ask("export.list", limit=1000))["exports"]
    return rows


async def refusal(door: Door, verb: str = "export.request", **body: Any) -> CommandFailed:
    with pytest.raises(CommandFailed) as caught:
        await door.ask(verb, **body)
    return caught.value


async def test_ndjson_holds_what_was_recorded_in_the_promised_columns(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    shown = await fill(recorder, admin, project, 12)
    job, content = await exported(exporter, format="ndjson", filter={"project": project})
    rows = lines_of(content)
    assert (job["rows"], job["truncated"], job["actor"]) == (12, False, "exporter")
    assert tuple(rows[0]) == DEFAULT
    for row, listed in zip(rows, shown, strict=True):
        for name in ("project", "provider", "model", "status", "input_tokens", "tags"):
            assert row[name] == listed[name]
        assert row["cost_total_cents"] == float(CALL_CENTS)
        assert row["request_payload"]["messages"][0]["content"] == "Write to [EMAIL], please."
        assert row["response_payload"] == CALL["response"]
        assert row["metadata"] == {}


async def test_csv_holds_the_same_rows_as_ndjson(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    await fill(recorder, admin, project, 12)
    wanted = {"project": project}
    header, *lines = csv_of((await exported(exporter, format="csv", filter=wanted))[1])
    rows = await exported_rows(exporter, project)
    assert tuple(header) == DEFAULT
    assert len(lines) == len(rows) == 12
    for line, row in zip(lines, rows, strict=True):
        cells = dict(zip(header, line, strict=True))
        assert cells["tags"] == "|".join(row["tags"])
        assert Decimal(cells["cost_total_cents"]) == Decimal(CALL_CENTS)
        assert cells["timestamp"] == row["timestamp"]
        for name in ("request_payload", "response_payload", "metadata"):
            assert json.loads(cells[name]) == row[name]


async def test_every_column_can_be_asked_for_by_name(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    await recorder.record(
        **{**CALL, "user": "u-1", "error_message": "went wrong", "request_text": "said"}
    )
    await recorded(admin, project, 1)
    remedy = (await refusal(exporter, columns=["?"])).remedy
    names = remedy.removeprefix("Columns are: ").rstrip(".").split(", ")
    assert set(SEALED) | set(DEFAULT) <= set(names)
    [row] = await exported_rows(exporter, project, columns=names)
    assert list(row) == names
    assert (row["user"], row["error_message"], row["request_text"]) == (
        *("u-1", "went wrong"),
        "said",
    )


async def test_without_payloads_sealed_columns_are_empty(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    await fill(recorder, admin, project, 2)
    rows = await exported_rows(exporter, project, payloads=False)
    assert [row["request_payload"] for row in rows] == [None, None]
    assert [row["model"] for row in rows] == [CALL["model"]] * 2


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


async def all_done(stack: Stack) -> None:
    """Return when the work queue is empty: every message was acknowledged."""
    client = await connect(stack, "provisioner")

    async def left() -> int:
        reply = await client.request(f"$JS.API.STREAM.INFO.{JOB_STREAM}", b"", timeout=5)
        count: int = json.loads(reply.data)["state"]["messages"]
        return count

    try:
        await until(left, lambda count: count == 0, "an empty job queue")
    finally:
        await client.close()


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


async def one_job(door: Door, job_id: str) -> Row:
    return next((row for row in await jobs_of(door) if row["job_id"] == job_id), {})


async def test_a_limit_reports_that_the_file_is_truncated(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    await fill(recorder, admin, project, 5)
    wanted = {"project": project}
    for limit, rows, truncated in ((3, 3, True), (5, 5, False), (9, 5, False)):
        row, content = await exported(exporter, format="ndjson", filter=wanted, limit=limit)
        assert (row["rows"], row["truncated"]) == (rows, truncated)
        assert len(lines_of(content)) == rows


async def test_zero_rows_are_a_header_only(exporter: Door, project: str) -> None:
    row, content = await exported(exporter, format="csv", filter={"project": project})
    assert row["rows"] == 0
    assert content == (",".join(DEFAULT) + "\r\n").encode()
    row, content = await exported(exporter, format="ndjson", filter={"project": project})
    assert (row["rows"], content) == (0, b"")


async def test_a_position_gives_the_same_bytes_after_more_was_recorded_and_reviewed(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    rows = await fill(recorder, admin, project, 6)
    await admin.ask("review", ids=[rows[0]["id"]], state="flagged")
    await until(
        lambda: interactions(admin, project, review_state="flagged"), bool, "the first review"
    )
    request = {"format": "csv", "filter": {"project": project}, "columns": WITH_REVIEW}
    first, content = await exported(exporter, **request)

    await admin.ask("review", ids=[row["id"] for row in rows], state="approved")
    await recorder.record_many([CALL] * 5)
    await recorded(admin, project, 11)
    await until(
        lambda: interactions(admin, project, review_state="approved"),
        lambda found: len(found) == 6,
        "six approvals",
    )
    again, same = await exported(
        exporter, **request, as_of=first["position"], idempotency_key=project
    )
    assert again["job_id"] != first["job_id"]
    assert same == content
    assert [line[2] for line in csv_of(same)[1:]] == ["flagged"] + ["unreviewed"] * 5
    newest = csv_of((await exported(exporter, **request))[1])[1:]
    assert [line[2] for line in newest] == ["approved"] * 6 + ["unreviewed"] * 5


async def test_a_filter_by_review_state_looks_at_the_position_too(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    rows = await fill(recorder, admin, project, 3)
    before = rows[-1]["log_position"]
    await admin.ask("review", ids=[rows[1]["id"]], state="rejected")
    wanted = {"project": project, "review_state": "rejected"}
    await until(lambda: interactions(admin, project, review_state="rejected"), bool, "the review")
    now, _ = await exported(exporter, format="ndjson", filter=wanted)
    then, _ = await exported(exporter, format="ndjson", filter=wanted, as_of=before)
    assert (now["rows"], then["rows"]) == (1, 0)


async def test_an_exporter_of_one_project_gets_no_rows_of_another(
    recorder: Recorder, admin: Door, open_door: Any, project: str
) -> None:
    await fill(recorder, admin, project, 2)
    receipt = await recorder.record(**CALL, project=ONE_PROJECT)
    assert receipt.ok
    await until(
        lambda: interactions(admin, ONE_PROJECT),
        lambda rows: any(row["id"] == str(receipt.interaction_id) for row in rows),
        "the interaction of the other project",
    )
    local = await open_door("local")
    _, content = await exported(local, format="ndjson", columns=["project", "id"])
    rows = lines_of(content)
    assert {row["project"] for row in rows} == {ONE_PROJECT}
    assert str(receipt.interaction_id) in {row["id"] for row in rows}
    assert (await refusal(local, format="csv", filter={"project": project})).code == "refused"


async def test_jobs_belong_to_their_actor(exporter: Door, open_door: Any, admin: Door) -> None:
    row, _ = await exported(exporter, format="csv", limit=1)
    local = await open_door("local")
    assert row["job_id"] not in {one["job_id"] for one in await jobs_of(local)}
    for verb in ("export.show", "export.cancel", "export.download"):
        error = await refusal(local, verb, job_id=row["job_id"])
        assert error.code == "refused"
    assert (await admin.ask("export.show", job_id=row["job_id"]))["export"]["actor"] == "exporter"


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


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"])
async def test_a_spreadsheet_formula_becomes_text_in_csv_and_stays_in_ndjson(
    recorder: Recorder, admin: Door, exporter: Door, project: str, start: str
) -> None:
    formula = f"{start}1+1"
    await recorder.record(provider="p", model=formula, tags=[formula], request_text=formula)
    await recorded(admin, project, 1)
    request = {"filter": {"project": project}, "columns": ["model", "tags", "request_text"]}
    _, content = await exported(exporter, format="csv", **request)
    assert csv_of(content)[1] == [f"'{formula}"] * 3
    _, content = await exported(exporter, format="ndjson", **request)
    assert lines_of(content) == [{"model": formula, "tags": [formula], "request_text": formula}]


async def test_a_download_link_is_short_lived_not_stored_and_tells_the_checksum(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    await fill(recorder, admin, project, 2)
    row, content = await exported(exporter, format="csv", filter={"project": project})
    link = await exporter.ask("export.download", job_id=row["job_id"])
    assert link["filename"] == "sealbook-interactions.csv"
    assert "X-Amz-Expires=900" in link["url"]
    assert "no-store" in link["url"]
    assert await asyncio.to_thread(fetch, link["url"]) == content
    tampered = link["url"].replace(row["job_id"], "0" * 32)
    with pytest.raises(OSError, match="403"):
        await asyncio.to_thread(fetch, tampered)


async def test_a_big_export_is_whole(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    """More rows than are read at once, more bytes than one part has."""
    text = "x" * 8_000
    receipts = await recorder.record_many(
        {"provider": "p", "model": "m", "request": [text, number], "session_id": f"s-{number}"}
        for number in range(1_300)
    )
    assert all(receipt.ok for receipt in receipts)
    await recorded(admin, project, 1_300)
    row, content = await exported(
        exporter,
        format="ndjson",
        filter={"project": project},
        columns=["session_id", "request_payload"],
    )
    assert len(content) > 10_000_000
    assert row["rows"] == 1_300
    assert {line["request_payload"][1] for line in lines_of(content)} == set(range(1_300))
