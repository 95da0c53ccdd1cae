"""Exports as their users have them made: requested at the door or by a job, awaited, downloaded."""

import asyncio
import csv
import hashlib
import io
import json
import urllib.request
from typing import Any

import pytest
from nats.aio.client import Client
from seen import recorded
from sending import CALL, connect
from waiting import until

from sealbook import Recorder
from sealbook.cli.connection import Door
from sealbook.cli.exports import wait_until_ended
from sealbook.cli.stack import Stack
from sealbook.contract.replies import CommandFailed
from sealbook.contract.subjects import JOB_STREAM

Row = dict[str, Any]
csv.field_size_limit(2**31 - 1)


async def exported(door: Door, **request: Any) -> tuple[Row, bytes]:
    """The job's row and the file, whose checksum is right."""
    job_id = (await door.ask("export.request", **request))["job_id"]
    row = await asyncio.wait_for(wait_until_ended(door, job_id), 30)
    return row, await downloaded(door, row)


async def downloaded(door: Door, row: Row) -> bytes:
    """The file of a completed job; fails unless its size and SHA-256 are those on record."""
    link = await door.ask("export.download", job_id=row["job_id"])
    content = await asyncio.to_thread(fetch, link["url"])
    assert hashlib.sha256(content).hexdigest() == row["sha256"] == link["sha256"]
    assert len(content) == row["size_bytes"] == link["size_bytes"]
    return content


async def exported_rows(door: Door, project: str, **request: Any) -> list[Row]:
    """The rows of a project as NDJSON."""
    _, content = await exported(door, format="ndjson", filter={"project": project}, **request)
    return lines_of(content)


def lines_of(content: bytes) -> list[Row]:
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def csv_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as source:  # noqa: S310 our own bus gave it
        content: bytes = source.read()
        return content


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


async def one_job(door: Door, job_id: str) -> Row:
    return next((row for row in await jobs_of(door) if row["job_id"] == job_id), {})
