"""ingest under load: in bounded memory, answering meanwhile, and shared by several processes."""

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from hostile import assert_next_is_recorded
from nats.aio.client import Client
from seen import interactions, recorded, rolled_up
from sending import CALL, connect, send_all

from sealbook.cli.connection import Door
from sealbook.cli.stack import Stack
from sealbook.contract.ids import new_id
from sealbook.embedded import Process, plain_environment
from sealbook.embedded.ports import remembered_ports
from sealbook.stream.cursor import api
from sealbook.stream.topology import INGEST_CONSUMER, Topology

MOST_MB = 300
LONGEST_SILENCE_S = 2.0
SHARED = 3_000
PROCESSES = 3
ACK_WAIT_S = 3
"""A killed process's messages come again after this; deployments have longer."""


def nasty() -> Iterator[dict[str, Any]]:
    """Documents that are many times larger in memory, or long to look through; 40 MB together."""
    two = [f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}" for i in range(480_000)]
    yield {"items": two}
    yield {"items": {f"{i:x}": i for i in range(480_000)}}
    yield {"items": [{"a": 1, "b": [2, 3]} for _ in range(120_000)]}
    yield {"items": [100_000_000 + i for i in range(200_000)]}
    yield {"input": [f"a{i}@b.io" for i in range(200_000)]}
    yield {"arguments": json.dumps(two)}
    yield {"arguments": json.dumps([i + 0.5 for i in range(480_000)])}
    for number in range(4):
        yield {"prompt": f"{number} lorem ipsum dolor sit amet " * 100_000}


async def test_memory_stays_bounded_and_health_is_answered_under_a_nasty_load(
    stack: Stack, submitter: Client, admin: Door, project: str
) -> None:
    await stack.supervisor.restart("ingest")  # the peak of its memory starts anew
    bodies = [
        json.dumps({**CALL, "request": one}, separators=(",", ":")).encode() for one in nasty()
    ]
    assert sum(map(len, bodies)) > 30_000_000
    async with longest_silence(stack.ports["ingest"]) as silence:
        await send_all(submitter, project, bodies)
        await recorded(admin, project, len(bodies), within=60)
    assert peak_mb(stack.supervisor.pid("ingest")) < MOST_MB
    assert silence[0] < LONGEST_SILENCE_S
    await assert_next_is_recorded(submitter, admin, project)


async def test_several_processes_share_the_work_and_each_interaction_counts_once(
    stack: Stack, submitter: Client, admin: Door, project: str
) -> None:
    async with more_processes(stack) as ports:
        before = [await recorded_by(port) for port in ports]
        await send_all(submitter, project, calls())
        await recorded(admin, project, SHARED, within=60)
        after = [await recorded_by(port) for port in ports]
    shares = [now - then for then, now in zip(before, after, strict=True)]
    assert sum(shares) == SHARED
    assert min(shares) > SHARED / PROCESSES / 10
    assert (await rolled_up(admin, project, SHARED))["calls"] == SHARED


async def test_one_of_several_processes_is_killed_and_nothing_is_lost_or_counts_twice(
    stack: Stack, submitter: Client, admin: Door, project: str
) -> None:
    bodies = calls()
    async with more_processes(stack), handed_out_again_soon(stack):
        sending = asyncio.create_task(send_all(submitter, project, bodies))
        await recorded(admin, project, SHARED // 10)
        await stack.supervisor.kill("ingest-2")
        await sending
        rows = await recorded(admin, project, SHARED, within=60)
    assert sorted(row["id"] for row in rows) == sorted(body["id"] for body in bodies)
    assert (await rolled_up(admin, project, SHARED))["calls"] == SHARED
    assert len(await interactions(admin, project)) == SHARED


def calls() -> list[dict[str, Any]]:
    return [{**CALL, "id": str(new_id()), "user": f"u-{n % 7}"} for n in range(SHARED)]


@asynccontextmanager
async def more_processes(stack: Stack) -> AsyncIterator[list[int]]:
    """`PROCESSES` of ingest in all; where each tells its metrics."""
    names = [f"ingest-{number}" for number in range(2, PROCESSES + 1)]
    ports = remembered_ports(stack.data / "more-ports.json", names)
    try:
        for name in names:
            await stack.supervisor.start(another(stack, name, ports[name]))
        yield [stack.ports["ingest"], *ports.values()]
    finally:
        for name in names:
            await stack.supervisor.stop_one(name)


def another(stack: Stack, name: str, port: int) -> Process:
    settings = stack._environment("ingest", port)
    return Process(
        name=name,
        argv=(sys.executable, "-m", "services.ingest"),
        env=plain_environment(stack.data) | settings,
        ready=lambda: asyncio.to_thread(get, port, "readyz"),
        stop_timeout=15,
    )


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


async def recorded_by(port: int) -> int:
    """How many submissions the process recorded."""
    name = 'sealbook_ingest_submissions_total{outcome="recorded"}'
    lines = (await asyncio.to_thread(get, port, "metrics")).splitlines()
    return next((int(float(line.split()[1])) for line in lines if line.startswith(name)), 0)


@asynccontextmanager
async def longest_silence(port: int) -> AsyncIterator[list[float]]:
    """How long the process at most took to say that it lives, in seconds."""
    longest = [0.0]

    async def ask() -> None:
        while True:
            asked = monotonic()
            await asyncio.to_thread(get, port, "healthz")
            longest[0] = max(longest[0], monotonic() - asked)
            await asyncio.sleep(0.1)

    asking = asyncio.create_task(ask())
    try:
        yield longest
        assert not asking.done()
    finally:
        asking.cancel()


@asynccontextmanager
async def handed_out_again_soon(stack: Stack) -> AsyncIterator[None]:
    await set_ack_wait(stack, {"ack_wait": ACK_WAIT_S * 1_000_000_000})
    try:
        yield
    finally:
        await set_ack_wait(stack, {})


async def set_ack_wait(stack: Stack, changed: dict[str, object]) -> None:
    client = await connect(stack, "provisioner")
    for stream, consumer in Topology().consumers():
        if consumer["durable_name"] == INGEST_CONSUMER:
            call = f"CONSUMER.DURABLE.CREATE.{stream}.{INGEST_CONSUMER}"
            await api(client, call, {"stream_name": stream, "config": consumer | changed})
    await client.close()


def peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
