"""SIGKILL to each process while `sealbook record` runs: nothing is lost, nothing counts twice.

The moments are random; SEALBOOK_CHAOS_SEED repeats those of a failed run (it is printed).
"""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from claiming import words
from exporting import downloaded, exported_rows, lines_of
from seen import interactions, quarantined, recorded, rolled_up
from sending import connect
from stacks import make_stack
from waiting import until

from sealbook.cli.connection import Door, door, find_connection
from sealbook.cli.exports import wait_until_ended
from sealbook.cli.stack import SERVICES, Stack
from sealbook.contract.ids import new_id
from sealbook.embedded import EmbeddedServers
from sealbook.errors import Unavailable
from sealbook.stream.cursor import api
from sealbook.stream.topology import Topology

TARGETS = (*SERVICES, "nats", "postgres", "s3")
LINES = 400
LARGE_EVERY = 40
"""Lines whose payload goes to S3 before its event goes to the log."""
PATIENCE_S = 60.0
ACK_WAIT_S = 5
"""A killed service's messages come again after this; a minute is what deployments have."""


@pytest.fixture(scope="module")
async def chaos(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack of its own: its quarantine and its digests are only about what happens here."""
    stack = make_stack(tmp_path_factory.mktemp("chaos"))
    await stack.start()
    await hand_out_again_soon(stack)
    yield stack
    await stack.stop()


async def hand_out_again_soon(stack: Stack) -> None:
    client = await connect(stack, "provisioner")
    for stream, consumer in Topology().consumers():
        config = consumer | {"ack_wait": ACK_WAIT_S * 1_000_000_000}
        request: dict[str, object] = {"stream_name": stream, "config": config}
        await api(client, f"CONSUMER.DURABLE.CREATE.{stream}.{consumer['durable_name']}", request)
    await client.close()


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("SEALBOOK_CHAOS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"SEALBOOK_CHAOS_SEED={seed}")
    return random.Random(seed)  # noqa: S311 moments, not secrets


async def kill(stack: Stack, name: str) -> None:
    """SIGKILL, and wait until it runs again."""
    if name in SERVICES or isinstance(stack.servers, EmbeddedServers):
        await stack.supervisor.kill(name)
        await stack.supervisor.wait_ready(name)
    else:
        await stack.servers.kill(name)  # type: ignore[attr-defined] ContainerServers'


class Recording:
    """`sealbook record FILE`, one file after the other, until told to stop."""

    def __init__(self, stack: Stack, project: str, folder: Path) -> None:
        self.ids: set[str] = set()
        self._stack = stack
        self._project = project
        self._folder = folder
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        for number in count():
            await self._record(self._file(number))
            if self._stop.is_set():
                return

    def _file(self, number: int) -> Path:
        path = self._folder / f"{self._project}-{number}.jsonl"
        with path.open("w") as file:
            for line in range(LINES):
                interaction_id = str(new_id())
                self.ids.add(interaction_id)
                large = words(150_000) if line % LARGE_EVERY == 0 else "x" * 400
                call = {
                    "id": interaction_id,
                    "provider": "openai",
                    "model": "gpt-4o-mini",
                    "request": {"prompt": f"line {line} {large}"},
                    "input_tokens": 3,
                    "output_tokens": 4,
                    "user": f"u-{line % 7}",
                }
                file.write(json.dumps(call) + "\n")
        return path

    async def _record(self, path: Path) -> None:
        options = ("--project", self._project, "--data", str(self._stack.data), "--json")
        running = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).parent / "sealbook"), "record", str(path), *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await running.communicate()
        assert running.returncode == 0, complained.decode()
        assert json.loads(said)["acknowledged"] == LINES


async def storm(
    stack: Stack, names: list[str], chance: random.Random, project: str, folder: Path
) -> set[str]:
    """Kill them one after the other at random moments while recording; the ids recorded."""
    recording = Recording(stack, project, folder)
    running = asyncio.create_task(recording.run())
    try:
        for name in names:
            await asyncio.sleep(chance.uniform(0.05, 1.2))
            await kill(stack, name)
    finally:
        recording.stop()
        await running
    return recording.ids


async def assert_nothing_lost_nothing_twice(stack: Stack, project: str, ids: set[str]) -> None:
    async with AsyncExitStack() as opened:
        at = find_connection(stack.data, "admin")
        admin = await opened.enter_async_context(door(at))
        superuser: psycopg.AsyncConnection[Any] = await opened.enter_async_context(
            await psycopg.AsyncConnection.connect(
                stack.servers.endpoints.postgres.url, autocommit=True
            )
        )
        await until(lambda: answer(admin), bool, "an answer of review, rollup and export")
        await recorded(admin, project, len(ids), within=PATIENCE_S)
        row = await rolled_up(admin, project, len(ids), within=PATIENCE_S)
        shown = [one["id"] for one in await interactions(admin, project)]
        assert len(shown) == len(ids)
        assert set(shown) == ids
        assert row["calls"] == len(ids)
        assert (row["input_tokens"], row["output_tokens"]) == (3 * len(ids), 4 * len(ids))
        assert await quarantined(superuser, project) == []
        exporter = await opened.enter_async_context(door(find_connection(stack.data, "exporter")))
        rows = await exported_rows(exporter, project, columns=["id", "request_payload"])
        prompts = {row["id"]: row["request_payload"]["prompt"] for row in rows}
        assert prompts.keys() == ids
        assert sum(len(prompt) > 100_000 for prompt in prompts.values()) == len(ids) // LARGE_EVERY
        for name in ("review", "rollup"):
            assert (await admin.ask("projection.rebuild", projection=name))["equal"], name


async def answer(admin: Door) -> bool:
    """Whether every service is back on the bus, which it is within a second or two of its own."""
    try:
        for verb in ("interaction.list", "rollup.query", "export.list", "quarantine.list"):
            await admin.ask(verb)
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize("name", TARGETS)
async def test_killing_it_while_recording_loses_nothing_and_counts_nothing_twice(
    chaos: Stack, chance: random.Random, project: str, tmp_path: Path, name: str
) -> None:
    ids = await storm(chaos, [name] * 2, chance, project, tmp_path)
    await assert_nothing_lost_nothing_twice(chaos, project, ids)


async def test_killing_export_during_a_job_leaves_a_complete_file_with_the_right_checksum(
    chaos: Stack, chance: random.Random, project: str, tmp_path: Path
) -> None:
    recording = Recording(chaos, project, tmp_path)
    recording.stop()
    await recording.run()
    async with (
        door(find_connection(chaos.data, "admin")) as admin,
        door(find_connection(chaos.data, "exporter")) as exporter,
    ):
        await recorded(admin, project, LINES)
        for round_number in range(2):
            reply = await exporter.ask(
                "export.request",
                format="ndjson",
                filter={"project": project},
                columns=["id", "request_payload"],
                idempotency_key=f"{project}-{round_number}",
            )
            await asyncio.sleep(chance.uniform(0, 0.1))
            await kill(chaos, "export")
            await until(lambda: answer(admin), bool, "an answer of export")
            row = await asyncio.wait_for(wait_until_ended(exporter, reply["job_id"]), PATIENCE_S)
            content = await downloaded(exporter, row)
            assert {line["id"] for line in lines_of(content)} == recording.ids
            assert row["rows"] == LINES
        await assert_completed_once(admin, row["job_id"])


async def assert_completed_once(admin: Door, job_id: str) -> None:
    async def stages() -> list[str]:
        lines = (await admin.ask("audit.list", limit=1000, actor="exporter"))["audit"]
        mine = [one["action"] for one in lines if one["resource"] == job_id]
        return sorted(action for action in mine if action.startswith("export."))

    found = await until(stages, lambda found: "export.completed" in found, "its completion")
    assert found == ["export.completed", "export.requested"]


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_killing_everything_again_and_again_loses_nothing_and_counts_nothing_twice(
    chaos: Stack, chance: random.Random, project: str, tmp_path: Path
) -> None:
    names = [chance.choice(TARGETS) for _ in range(40)]
    ids = await storm(chaos, names, chance, project, tmp_path)
    await assert_nothing_lost_nothing_twice(chaos, project, ids)
