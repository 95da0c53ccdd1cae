"""Exports as their users have them made: requested at the door, waited for, downloaded."""

import asyncio
import csv
import hashlib
import io
import json
import urllib.request
from typing import Any

from sealbook.cli.connection import Door
from sealbook.cli.exports import wait_until_ended

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
