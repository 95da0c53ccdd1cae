"""How fast a process empties the queue, by what the kernel says about it."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from nats.aio.client import Client

from sealbook.cli.stack import Stack
from sealbook.errors import Unavailable
from sealbook.provision.permissions import PROVISIONER
from sealbook.runtime.settings import Settings
from sealbook.stream import bus, topology

WARM_SHARE = 4
"""One part of so many passes before the clock starts."""
PATIENCE_S = 60.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Drained:
    """Messages per second of wall time, CPU (user and system) per message, peak of the memory."""

    per_s: float
    cpu_us: float
    max_rss_mb: float


async def drained(
    stack: Stack, name: str, count: int, start: Callable[[Stack], Awaitable[None]]
) -> Drained:
    """Start process `name` on the full queue; stop it when `count` more events are in the log.

    Raises Unavailable when it does not start, or stands still."""
    settings = Settings.load(stack.secrets.folder / PROVISIONER.name)
    client = await bus.connect(settings.bus, name="bench")
    try:
        before = await topology.last_position(client)
        started = asyncio.ensure_future(start(stack))
        try:
            first, at, cpu_s = await _passed(
                client, stack, name, before + count // WARM_SHARE, started
            )
            last, ended_at, ended_cpu_s = await _passed(
                client, stack, name, before + count, started
            )
            await started
        finally:
            started.cancel()
            await asyncio.gather(started, return_exceptions=True)
        memory = _peak_mb(_pid(stack, name))
        await stack.supervisor.stop_one(name)
    finally:
        await client.close()
    done = last - first
    return Drained(done / (ended_at - at), (ended_cpu_s - cpu_s) / done * 1e6, memory)


async def _passed(
    client: Client, stack: Stack, name: str, position: int, started: "asyncio.Future[None]"
) -> tuple[int, float, float]:
    """(position, time, CPU seconds so far) when the log has at least `position` entries."""
    reached, moved_at = 0, time.monotonic()
    while (now := await topology.last_position(client)) < position:
        if started.done():
            started.result()  # raises what kept it from starting
        if now > reached:
            reached, moved_at = now, time.monotonic()
        elif time.monotonic() - moved_at > PATIENCE_S:
            raise Unavailable(
                f"{name} has stood at {position - now} entries before its end for "
                f"{PATIENCE_S:.0f} s. Its last lines:\n{_last_words(stack, name)}"
            )
        await asyncio.sleep(0.05)
    return now, time.monotonic(), _cpu_seconds(_pid(stack, name))


def _last_words(stack: Stack, name: str) -> str:
    lines = (stack.data / "servers.log").read_text().splitlines()
    return "\n".join([line for line in lines if line.startswith(f"{name} |")][-5:])


def _pid(stack: Stack, name: str) -> int:
    return stack.supervisor.pid(name)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024
