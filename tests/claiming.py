"""Large payloads on the real stack: made, found in the log and in S3, and S3 taken away."""

import asyncio
import random
import string
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from minio import Minio
from nats.aio.client import Client
from seen import recorded

from sealbook.cli.connection import Door
from sealbook.cli.stack import Stack
from sealbook.contract import subjects
from sealbook.contract.envelope import LogEntry
from sealbook.contract.events import Claim, InteractionRecorded
from sealbook.embedded import EmbeddedServers
from sealbook.stream.append import LogWriter


def words(size_bytes: int) -> str:
    """Text without a sense, of which compression leaves more than half."""
    chance = random.SystemRandom()
    letters = chance.choices(string.ascii_lowercase, k=size_bytes)
    return "".join(" " if n % 8 == 7 else letter for n, letter in enumerate(letters))


def call(text: str, **fields: Any) -> dict[str, Any]:
    """A submission that says `text`, whose payload is large if the text is."""
    return {"provider": "p", "model": "m", "request": [text], "response": {"text": "fine"}} | fields


async def entry_of(client: Client, interaction_id: object) -> LogEntry:
    """The event in the log, as it stands there; `client` is the provisioner's."""
    subject = subjects.event_anywhere(InteractionRecorded.type, str(interaction_id))
    entry = await LogWriter(client, "test").last(subject)
    assert entry is not None
    return entry


async def claim_of(client: Client, interaction_id: object) -> Claim:
    """What the event in the log claims."""
    event = (await entry_of(client, interaction_id)).event()
    assert isinstance(event, InteractionRecorded)
    assert event.sealed is None
    assert event.claim is not None
    return event.claim


async def one_recorded(admin: Door, project: str) -> str:
    """The id of the project's only interaction."""
    [row] = await recorded(admin, project, 1)
    return str(row["id"])


def keys_of(bucket: Minio, interaction_id: str) -> list[str]:
    """The payload objects of an interaction."""
    found = bucket.list_objects("sealbook", "payloads/", recursive=True)
    names = [one.object_name or "" for one in found]
    return [name for name in names if f"/{interaction_id}/" in name]


async def is_ready(stack: Stack, service: str) -> bool:
    def ask() -> bool:
        try:
            at = f"http://127.0.0.1:{stack.ports[service]}/readyz"
            with urllib.request.urlopen(at, timeout=10):
                return True
        except urllib.error.HTTPError:
            return False

    return await asyncio.to_thread(ask)


@asynccontextmanager
async def s3_away(stack: Stack) -> AsyncIterator[None]:
    """S3 is stopped inside, and serves again afterwards."""
    servers = stack.servers
    if isinstance(servers, EmbeddedServers):
        assert servers._s3 is not None
        await stack.supervisor.stop_one("s3")
        try:
            yield
        finally:
            await stack.supervisor.start(servers._s3.process())
    else:
        await asyncio.to_thread(servers.halt, "s3")  # type: ignore[attr-defined] ContainerServers'
        try:
            yield
        finally:
            await asyncio.to_thread(servers.resume, "s3")  # type: ignore[attr-defined]
