"""Submissions sealed to ingest, on the real bus: it holds no plaintext, and ingest opens them."""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hostile import Superuser
from nats.aio.client import Client
from recording import CALL
from running import Cli
from seen import held, quarantined, recorded
from sending import connect, send

from sealbook import Recorder
from sealbook.cli import canary
from sealbook.cli.connection import Door, find_connection
from sealbook.cli.stack import Stack
from sealbook.contract import subjects
from sealbook.contract.ids import new_id
from sealbook.sealing.submission import SealTo
from sealbook.stream.cursor import api

PROVISIONER = "provisioner"


def confidential(word: str) -> dict[str, Any]:
    return {
        "provider": "openai",
        "model": f"model-{word}",
        "request": {"messages": [{"role": "user", "content": f"{word} asked"}]},
        "response_text": f"{word} said",
        "metadata": {word: word},
        "user": f"{word}-user",
        "tags": [word],
    }


@pytest.fixture
def cli(stack: Stack, tmp_path: Path) -> Cli:
    return Cli(stack.data, tmp_path)


@pytest.fixture
async def line(admin: Door) -> str:
    reply = await admin.ask("keys.public")
    return f"sealbook-x25519:{reply['key_id']}:{reply['public_key']}"


@asynccontextmanager
async def ingest_stopped(stack: Stack) -> AsyncIterator[None]:
    await stack.supervisor.stop_one("ingest")
    try:
        yield
    finally:
        await stack.start_service("ingest")


async def on_the_bus(stack: Stack, project: str) -> list[bytes]:
    """Subject, headers and body of the project's messages in the queue, as the bus has them."""
    client = await connect(stack, PROVISIONER)
    found = []
    try:
        call = f"STREAM.INFO.{subjects.SUBMIT_STREAM}"
        state: Any = (await api(client, call, {}))["state"]
        for sequence in range(state["first_seq"], state["last_seq"] + 1):
            call = f"STREAM.MSG.GET.{subjects.SUBMIT_STREAM}"
            message: Any = (await api(client, call, {"seq": sequence}))["message"]
            if message["subject"] == subjects.submit(project):
                headers = base64.b64decode(message.get("hdrs", ""))
                found.append(headers + base64.b64decode(message["data"]))
    finally:
        await client.close()
    return found


async def test_neither_bus_nor_disk_holds_what_was_sealed_and_ingest_opens_it(
    stack: Stack, submitter: Client, reviewer: Door, project: str, line: str
) -> None:
    word, plain = (f"canary{secrets.token_hex(12)}" for _ in range(2))
    at = find_connection(stack.data, "admin").address("recorder")
    async with ingest_stopped(stack):
        async with Recorder(
            at.url, project=project, user=at.user, password=at.password, seal_to=line
        ) as sealing:
            receipt = await sealing.record(**confidential(word))
        await send(submitter, project, confidential(plain))
        sealed, control = await on_the_bus(stack, project)
        where, searched = await asyncio.to_thread(canary.search, stack.data, word.encode())
    assert receipt.ok
    assert plain.encode() in control
    assert word.encode() not in sealed
    assert str(receipt.interaction_id).encode() in sealed
    assert (where, searched > 2**20) == ([], True)

    rows = await recorded(reviewer, project, 2)
    [row] = [row for row in rows if row["id"] == str(receipt.interaction_id)]
    assert row["model"] == f"model-{word}"
    opened = str(await reviewer.ask("interaction.open", id=row["id"]))
    assert f"{word} asked" in opened
    assert f"{word} said" in opened


async def test_what_does_not_open_is_held_with_its_seal_and_blocks_nothing(
    submitter: Client, admin: Door, superuser: Superuser, project: str, line: str
) -> None:
    to = SealTo.read(line)
    another = SealTo.of(new_id(), secrets.token_bytes(32))
    body = json.dumps(CALL).encode()
    await send(submitter, project, another.seal(body, project), new_id())
    await send(submitter, project, to.seal(body, f"{project}2"), new_id())
    await send(submitter, project, to.seal(to.seal(body, project), project), new_id())
    await send(submitter, project, to.seal(body, project), new_id())
    assert len(await recorded(admin, project, 1)) == 1
    rows = await held(superuser, project, 3)
    assert [row["reason"] for row in rows] == [
        "unknown_seal_key",
        "sealed_wrong",
        "invalid_submission",
    ]
    reply = await admin.ask("quarantine.retry", ids=[row["id"] for row in rows])
    assert (reply["retried"], reply["recorded"]) == (3, 0)


async def test_sealed_and_plain_with_one_id_count_once(
    submitter: Client, admin: Door, superuser: Superuser, project: str, line: str
) -> None:
    body = json.dumps({**CALL, "id": str(new_id())}).encode()
    for message in (SealTo.read(line).seal(body, project), body):
        await send(submitter, project, message)
        await send(submitter, project, SealTo.read(line).seal(body, project))
    await send(submitter, project, {**CALL, "id": str(new_id())})  # the last of the queue
    assert len(await recorded(admin, project, 2)) == 2
    assert await quarantined(superuser, project) == []


async def test_the_command_line_prints_the_key_and_seals_a_file_with_it(
    cli: Cli, reader: Door, line: str, project: str, tmp_path: Path
) -> None:
    assert (await cli("keys", "public", actor="reader")).out == f"{line}\n"
    assert (await cli("keys", "public", "--out", "ingest.pub")).code == 0
    assert (tmp_path / "ingest.pub").read_text() == f"{line}\n"

    (tmp_path / "calls.jsonl").write_text(json.dumps(CALL))
    done = await cli("record", "calls.jsonl", "--project", project, "--seal-to", "ingest.pub")
    assert (done.code, done.out) == (0, "1 recorded, 0 refused.\n")
    done = await cli("record", "calls.jsonl", "--project", project, "--seal-to", line)
    assert done.code == 0
    assert len(await recorded(reader, project, 1)) == 1
    for wrong in ("nowhere.pub", "calls.jsonl", ""):
        done = await cli("record", "calls.jsonl", "--project", project, "--seal-to", wrong)
        assert done.code in (1, 2)
        assert "cannot be read" in done.err or "sealbook keys public" in done.err
