"""Policies and detectors while interactions come in: what an event names is what masked it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from seen import recorded
from sending import CALL, send, send_all

from sealbook.cli.connection import Door
from sealbook.cli.stack import Stack
from sealbook.embedded import Process, plain_environment
from sealbook.errors import Unavailable

# The rule for addresses is off: what masks them is the detector.
WITH_DETECTOR = {"detectors": ["presidio"], "rules": [{"name": "email", "enabled": False}]}
ADDRESS = "Jane wrote from jane.doe@example.com, network card 00:1B:44:11:3A:B7."
DETECTED = "Jane wrote from [EMAIL_ADDRESS], network card [MAC_ADDRESS]."
FAILED = "[REDACTION_ERROR]"


def said(text: str) -> dict[str, Any]:
    return CALL | {"request": {"messages": [{"role": "user", "content": text}]}}


async def payload(admin: Door, row: dict[str, Any]) -> str:
    return str((await admin.ask("interaction.open", id=row["id"]))["interaction"])


@pytest.fixture
async def built_in(admin: Door) -> AsyncIterator[None]:
    yield
    await admin.ask("policy.put", name="redaction", document={"rules": []})


@pytest.fixture
async def second_ingest(stack: Stack) -> AsyncIterator[None]:
    """Another ingest process on the same queue."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = plain_environment(stack.data) | stack._environment("ingest", port)

    async def ready() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
        status = await reader.readline()
        writer.close()
        if b" 200 " not in status:
            raise Unavailable("not ready yet")

    argv = (sys.executable, "-m", "services.ingest")
    await stack.supervisor.start(Process("ingest-2", argv, ready=ready, env=environment))
    yield
    await stack.supervisor.stop_one("ingest-2")


def detectors_of(ingest: int) -> list[int]:
    """The processes of detectors whose parent this process is."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and b"detection/child.py" in (folder / "cmdline").read_bytes():
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                found += [int(folder.name)] * (int(parent) == ingest)
        except OSError:  # it ended meanwhile
            continue
    return found


@pytest.mark.usefixtures("built_in")
async def test_a_detector_masks_and_a_killed_one_lets_nothing_through(
    stack: Stack, submitter: Client, admin: Door, project: str
) -> None:
    await admin.ask("policy.put", name="redaction", document=WITH_DETECTOR)
    await send(submitter, project, said(ADDRESS))
    [row] = await recorded(admin, project, 1)
    assert DETECTED in await payload(admin, row)
    assert row["redactions"]["email_address"] == 1
    for _ in range(4):
        sending = asyncio.create_task(send_all(submitter, project, [said(ADDRESS)] * 25))
        for pid in detectors_of(stack.supervisor.pid("ingest")):
            os.kill(pid, signal.SIGKILL)
        await sending
    rows = await recorded(admin, project, 101, within=60)
    assert len(rows) == 101
    for row in rows:
        kept = await payload(admin, row)
        assert "jane.doe" not in kept
        assert "44:11" not in kept
        assert DETECTED in kept or FAILED in kept


@pytest.mark.usefixtures("built_in", "second_ingest")
async def test_the_policy_an_event_names_is_the_one_that_masked_it(
    submitter: Client, admin: Door, project: str
) -> None:
    def policy(tag: str) -> dict[str, Any]:
        return {"rules": [{"name": "mark", "pattern": "MARK", "replacement": f"[{tag}]"}]}

    versions: dict[str, str] = {}
    sending: list[asyncio.Task[int]] = []
    for turn in range(8):
        sending.append(asyncio.create_task(send_all(submitter, project, [said("MARK")] * 60)))
        tag = "EVEN" if turn % 2 == 0 else "ODD"
        put = await admin.ask("policy.put", name="redaction", document=policy(tag))
        versions[put["version"]] = f"[{tag}]"
    await asyncio.gather(*sending)
    rows = await recorded(admin, project, 480, within=60)
    payloads = await asyncio.gather(*(payload(admin, row) for row in rows))
    for row, kept in zip(rows, payloads, strict=True):
        # The first ones may still be masked by the policy before.
        tag = versions.get(row["policy_version"], "MARK")
        assert f"'content': '{tag}'" in kept
    assert versions.keys() <= {row["policy_version"] for row in rows}
