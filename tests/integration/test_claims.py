"""Payloads over 64 KiB on real servers: in S3, claimed by their event, read back or refused."""

import asyncio
import io
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from claiming import call, claim_of, entry_of, is_ready, keys_of, one_recorded, s3_away, words
from exporting import csv_of, downloaded, exported, exported_rows, lines_of, refusal
from minio import Minio
from nats.aio.client import Client
from pydantic import SecretStr
from seen import interactions, quarantined, recorded
from sending import connect, send
from waiting import until

from sealbook import Recorder
from sealbook.cli.connection import Door
from sealbook.cli.exports import wait_until_ended
from sealbook.cli.stack import Stack
from sealbook.contract.ids import new_id
from sealbook.errors import Unavailable
from sealbook.runtime.database import Database
from sealbook.runtime.objects import Bucket
from sealbook.runtime.telemetry import Metrics
from sealbook.stream.append import LogWriter
from services.ingest.orphans import Sweeper

LARGE = 200_000


class Later(Bucket):
    """The bucket four hours from now."""

    def age(self, key: str) -> timedelta:
        return super().age(key) + timedelta(hours=4)


@pytest.fixture
async def provisioner(stack: Stack) -> AsyncIterator[Client]:
    client = await connect(stack, "provisioner")
    yield client
    await client.close()


async def test_a_large_payload_is_an_object_that_opens_and_exports_as_what_was_sent(
    recorder: Recorder,
    admin: Door,
    reviewer: Door,
    exporter: Door,
    provisioner: Client,
    bucket: Minio,
    project: str,
) -> None:
    canary = f"canary{secrets.token_hex(12)}"
    text = f"{canary} {words(LARGE)} {canary}"
    assert (await recorder.record(**call(text, metadata={"note": canary}))).ok
    interaction_id = await one_recorded(admin, project)

    claim = await claim_of(provisioner, interaction_id)
    assert claim.size_bytes > 65_536
    entry = await entry_of(provisioner, interaction_id)
    assert len(entry.body) < 2_000
    assert keys_of(bucket, interaction_id) == [claim.object_key]
    content = bucket.get_object("sealbook", claim.object_key).data
    assert len(content) == claim.size_bytes
    assert canary.encode() not in content

    opened = (await reviewer.ask("interaction.open", id=interaction_id))["interaction"]
    assert (opened["request"], opened["response"]) == ([text], {"text": "fine"})
    assert opened["metadata"] == {"note": canary}
    [row] = await exported_rows(exporter, project)
    assert (row["request_payload"], row["metadata"]) == ([text], {"note": canary})
    wanted = {"filter": {"project": project}, "columns": ["request_payload"]}
    _, as_csv = await exported(exporter, format="csv", **wanted)
    assert csv_of(as_csv)[1] == [f'["{text}"]']


async def test_nobody_who_lists_sees_where_a_payload_is(
    recorder: Recorder, admin: Door, project: str
) -> None:
    await recorder.record(**call(words(LARGE)))
    interaction_id = await one_recorded(admin, project)
    shown = (await admin.ask("interaction.show", id=interaction_id))["interaction"]
    [listed] = await interactions(admin, project)
    for row in (shown, listed):
        assert not [name for name in row if name == "sealed" or name.startswith("claim_")]


async def test_a_comment_is_sealed_without_s3(
    stack: Stack, recorder: Recorder, admin: Door, reviewer: Door, project: str
) -> None:
    await recorder.record(**call(words(LARGE)))
    interaction_id = await one_recorded(admin, project)
    async with s3_away(stack):
        await reviewer.ask("review", ids=[interaction_id], state="flagged", comment="Odd.")
        error = await refusal(reviewer, "interaction.open", id=interaction_id)
        assert error.code == "unavailable"
    opened = await reviewer.ask("interaction.open", id=interaction_id)
    assert opened["reviews"][0]["comment"] == "Odd."
    # What nobody got to see is not on record as opened.
    trail = await admin.ask("audit.list", interaction_id=interaction_id)
    assert [line["action"] for line in trail["audit"]].count("interaction.opened") == 1


def one_bit_off(content: bytes) -> bytes:
    return content[:-1] + bytes((content[-1] ^ 1,))


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (one_bit_off, "altered_object"),
        (lambda content: content[:-1], "altered_object"),
        (lambda content: content + b"x", "altered_object"),
        (lambda content: b"", "altered_object"),
        (None, "lost_object"),
    ],
    ids=["bit", "shorter", "longer", "empty", "deleted"],
)
async def test_an_altered_or_deleted_object_is_told_by_name_and_others_are_read(
    stack: Stack,
    recorder: Recorder,
    admin: Door,
    reviewer: Door,
    exporter: Door,
    provisioner: Client,
    bucket: Minio,
    project: str,
    alter: Any,
    code: str,
) -> None:
    for number in range(3):
        await recorder.record(**call(words(LARGE), session_id=f"s-{number}"))
    rows = await recorded(admin, project, 3)
    broken = next(row["id"] for row in rows if row["session_id"] == "s-1")
    claim = await claim_of(provisioner, broken)
    if alter is None:
        bucket.remove_object("sealbook", claim.object_key)
    else:
        content = alter(bucket.get_object("sealbook", claim.object_key).data)
        bucket.put_object("sealbook", claim.object_key, io.BytesIO(content), len(content))

    error = await refusal(reviewer, "interaction.open", id=broken)
    assert (error.code, error.retryable) == (code, False)
    assert claim.object_key in error.message
    assert broken in error.message
    for row in rows:
        if row["id"] != broken:
            assert await reviewer.ask("interaction.open", id=row["id"])
    wanted = {"format": "ndjson", "filter": {"project": project}}
    job_id = (await exporter.ask("export.request", **wanted))["job_id"]
    with pytest.raises(Unavailable, match=f"{job_id} is failed {code}"):
        await wait_until_ended(exporter, job_id)
    assert f"export {job_id} failed: {error.message}" in (stack.data / "servers.log").read_text()
    # What is clear can still be exported.
    _, clear = await exported(exporter, payloads=False, **wanted)
    assert len(lines_of(clear)) == 3


async def test_the_object_of_another_interaction_does_not_open(
    recorder: Recorder,
    admin: Door,
    reviewer: Door,
    superuser: psycopg.AsyncConnection[Any],
    project: str,
) -> None:
    """Whoever may write review's rows can name another object; its seal is bound to its event."""
    for number in range(2):
        await recorder.record(**call(words(LARGE), session_id=f"s-{number}"))
    one, other = [row["id"] for row in await recorded(admin, project, 2)]
    found = await superuser.execute("SELECT generation FROM review.projection")
    generation = await found.fetchone()
    assert generation is not None
    columns = "claim_object_key, claim_size_bytes, claim_sha256, claim_key_id"
    table = f"review_v{generation[0]}.interaction"
    move = f"UPDATE {table} AS t SET ({columns}) = (SELECT {columns} FROM {table} WHERE id = %s)"
    await superuser.execute(f"{move} WHERE t.id = %s", [other, one])  # type: ignore[arg-type]
    error = await refusal(reviewer, "interaction.open", id=one)
    assert error.code != "internal"
    assert not error.retryable
    reply = await admin.ask("projection.rebuild", projection="review", accept_difference=True)
    assert reply["equal"] is False
    assert await reviewer.ask("interaction.open", id=one)


async def test_a_submission_that_comes_twice_is_one_object_and_an_orphan_is_swept(
    stack: Stack,
    submitter: Client,
    admin: Door,
    reviewer: Door,
    provisioner: Client,
    bucket: Minio,
    project: str,
) -> None:
    interaction_id, text = str(new_id()), words(LARGE)
    for _ in range(2):
        await send(submitter, project, call(text), interaction_id)
    await send(submitter, project, call("the last one"))
    await recorded(admin, project, 2)
    claim = await claim_of(provisioner, interaction_id)
    assert keys_of(bucket, interaction_id) == [claim.object_key]
    # What an attempt leaves whose event came second, or never.
    hour = claim.object_key.rsplit("/", 2)[0]
    lost = str(new_id())
    for orphan in (f"{hour}/{interaction_id}/{'0' * 64}", f"{hour}/{lost}/{'0' * 64}"):
        bucket.put_object("sealbook", orphan, io.BytesIO(b"orphan"), 6)

    database = Database(SecretStr(stack.servers.endpoints.postgres.url))
    now = datetime.now(UTC)

    later = now + timedelta(hours=4)

    def sweeper(objects: Bucket, at: datetime) -> Sweeper:
        log = LogWriter(provisioner, "test")
        return Sweeper(objects, log, database, Metrics(), clock=lambda: at, second_look_s=0)

    try:
        # Its own clock says that it is time; S3's does not.
        for at in (now, later):
            assert await sweeper(Bucket(bucket, "sealbook"), at).sweep() == 0
        assert len(keys_of(bucket, interaction_id)) == 2
        assert await sweeper(Later(bucket, "sealbook"), later).sweep() >= 2
        assert keys_of(bucket, interaction_id) == [claim.object_key]
        assert keys_of(bucket, lost) == []
        assert await sweeper(Later(bucket, "sealbook"), later).sweep() == 0
    finally:
        # Other tests make objects in this hour.
        await database.run(lambda c: c.exec_driver_sql("DELETE FROM ingest.claim_sweep"))
        database.close()
    opened = await reviewer.ask("interaction.open", id=interaction_id)
    assert opened["interaction"]["request"] == [text]


async def test_while_s3_is_away_large_payloads_wait_and_nothing_is_lost(
    stack: Stack,
    submitter: Client,
    admin: Door,
    reviewer: Door,
    superuser: psycopg.AsyncConnection[Any],
    bucket: Minio,
    project: str,
) -> None:
    texts = {str(new_id()): words(LARGE) for _ in range(12)}
    async with s3_away(stack):
        # What is small needs no S3.
        await send(submitter, project, call("small"))
        await recorded(admin, project, 1)
        assert await is_ready(stack, "ingest")
        for interaction_id, text in texts.items():
            await send(submitter, project, call(text), interaction_id)
        await until(lambda: is_ready(stack, "ingest"), lambda ready: not ready, "ingest not ready")
        await asyncio.sleep(3)
        assert len(await interactions(admin, project)) == 1
    rows = await recorded(admin, project, 13, within=60)
    assert {row["id"] for row in rows} > texts.keys()
    assert len(rows) == 13
    await until(lambda: is_ready(stack, "ingest"), bool, "ingest ready")
    for interaction_id, text in texts.items():
        opened = await reviewer.ask("interaction.open", id=interaction_id)
        assert opened["interaction"]["request"] == [text]
        assert keys_of(bucket, interaction_id)
    assert await quarantined(superuser, project) == []


async def test_an_export_during_which_s3_goes_away_is_whole_in_the_end(
    stack: Stack, recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    texts = {f"s-{number}": words(LARGE) for number in range(30)}
    await recorder.record_many(call(text, session_id=name) for name, text in texts.items())
    await recorded(admin, project, 30)
    wanted = {"filter": {"project": project}, "columns": ["session_id", "request_payload"]}
    async with s3_away(stack):
        job_id = (await exporter.ask("export.request", format="ndjson", **wanted))["job_id"]
        await asyncio.sleep(1)
    row = await asyncio.wait_for(wait_until_ended(exporter, job_id), 60)
    lines = lines_of(await downloaded(exporter, row))
    assert {line["session_id"]: line["request_payload"] for line in lines} == {
        name: [text] for name, text in texts.items()
    }


async def test_a_rebuild_with_claims_has_the_same_digest(
    recorder: Recorder, admin: Door, reviewer: Door, project: str
) -> None:
    text = words(LARGE)
    await recorder.record(**call(text))
    await recorder.record(**call("small"))
    rows = await recorded(admin, project, 2)
    reply = await admin.ask("projection.rebuild", projection="review")
    assert reply["equal"] is True
    requests = [
        (await reviewer.ask("interaction.open", id=row["id"]))["interaction"]["request"]
        for row in rows
    ]
    assert sorted(requests) == sorted([[text], ["small"]])
