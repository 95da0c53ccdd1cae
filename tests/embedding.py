"""Embedded servers from outside: processes, clients, and traces left in all three."""

import asyncio
import io
import os
from collections.abc import Iterable
from pathlib import Path

import nats
import psycopg
from minio import Minio
from nats.aio.client import Client as NatsClient

from sealbook.embedded import Endpoints
from sealbook.embedded.s3_server import SOCKETS

AUTHORIZATION = 'authorization { user: "tester", password: "not-a-secret" }\n'
NAMES = ("nats", "postgres", "s3")


def descendants() -> set[int]:
    """Process numbers of everything below this process, the dead excepted."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents[int(entry.name)] = int(parent)
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def socket_files(ports: Iterable[int]) -> list[Path]:
    return [path for port in ports for path in SOCKETS.glob(f"seaweedfs-*{port}.sock")]


def s3_client(at: Endpoints) -> Minio:
    return Minio(
        at.s3.address,
        access_key=at.s3.access_key,
        secret_key=at.s3.secret_key,
        secure=False,
        region=at.s3.region,
    )


async def connect_nats(at: Endpoints) -> NatsClient:
    return await nats.connect(at.nats_url, user="tester", password="not-a-secret")


async def leave_traces(at: Endpoints) -> None:
    bus = await connect_nats(at)
    stream = bus.jetstream()
    await stream.add_stream(name="TRACES", subjects=["traces.>"])
    await stream.publish("traces.one", b"kept")
    await bus.close()
    async with await psycopg.AsyncConnection.connect(at.postgres.url) as connection:
        await connection.execute("CREATE TABLE traces AS SELECT 'kept' AS word")

    def upload() -> None:
        client = s3_client(at)
        client.make_bucket("traces")
        client.put_object("traces", "one", io.BytesIO(b"kept"), 4)

    await asyncio.to_thread(upload)


async def assert_traces(at: Endpoints) -> None:
    bus = await connect_nats(at)
    message = await bus.jetstream().get_last_msg("TRACES", "traces.one")
    await bus.close()
    assert message.data == b"kept"
    async with await psycopg.AsyncConnection.connect(at.postgres.url) as connection:
        rows = await (await connection.execute("SELECT word FROM traces")).fetchall()
    assert rows == [("kept",)]

    def download() -> bytes:
        answer = s3_client(at).get_object("traces", "one")
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    assert await asyncio.to_thread(download) == b"kept"
