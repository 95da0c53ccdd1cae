"""What ingest needs per interaction: the real service on real servers, next to the floor (the same
bytes read and appended with no work between), split by stage. The last line is JSON.

    make bench-ingest [EXCHANGES=exchanges.jsonl]

The queue is filled first, then the process is started on it; measured is from when a first part of
it is in the log until all is, so start and warm-up do not count.
"""

import asyncio
import json
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from draining import Drained, drained
from payloads import SIZES, submissions
from stages import stages_us

from sealbook.cli.stack import Stack
from sealbook.contract import subjects
from sealbook.embedded import Process, plain_environment
from sealbook.errors import SealbookError
from sealbook.provision.permissions import RECORDER
from sealbook.runtime.settings import Settings
from sealbook.stream import bus
from sealbook.stream.atomic import Outgoing, batches, publish_batch

DATA = Path(__file__).parents[3] / "shared/data/exchanges/provider-exchanges.jsonl"
COUNTS = {"2kb": 20_000, "16kb": 5_000}
ROUNDS = 2
PROJECT = "bench"


@dataclass(frozen=True, slots=True)
class Result:
    """The better of the rounds for ingest and for the floor, and where ingest's time goes."""

    ingest: Drained
    floor: Drained
    bare: Drained
    stages_us: dict[str, float]

    def summary(self) -> dict[str, object]:
        """As the line of JSON tells it."""
        known = sum(self.stages_us.values())
        # What is left: the event loop, and waiting for none of the stages.
        stages = self.stages_us | {
            "bus": self.floor.cpu_us,
            "other": self.ingest.cpu_us - self.floor.cpu_us - known,
        }
        return {
            "per_s": round(self.ingest.per_s),
            "cpu_us": round(self.ingest.cpu_us, 1),
            "floor_ratio": round(self.ingest.per_s / self.floor.per_s, 3),
            "max_rss_mb": round(self.ingest.max_rss_mb, 1),
            "stages_us": {name: round(cost, 1) for name, cost in stages.items()},
        }


async def measure(stack: Stack, size: str, file: Path) -> Result:
    """Both, `ROUNDS` times in turns."""
    ways = {"ingest": _ingest, "floor": _floor, "bare": partial(_floor, bare=True)}
    rounds: dict[str, list[Drained]] = {name: [] for name in ways}
    for name in [*ways] * ROUNDS:
        bodies = submissions(file, size, COUNTS[size])
        await fill(stack, bodies)
        process = "ingest" if name == "ingest" else "floor"
        rounds[name].append(await drained(stack, process, len(bodies), ways[name]))
    best = {name: max(done, key=lambda one: one.per_s) for name, done in rounds.items()}
    return Result(
        **best,
        stages_us=stages_us(submissions(file, size, 2_000)),
    )


async def fill(stack: Stack, bodies: list[bytes]) -> None:
    """Put all of them on the queue."""
    settings = Settings.load(stack.secrets.folder / "ingest")
    password = stack.secrets.password(RECORDER.name, "sealbook_nats_password")
    address = bus.BusAddress(settings.nats_url, RECORDER.name, password)
    client = await bus.connect(address, name="bench")
    try:
        for batch in batches([Outgoing(subjects.submit(PROJECT), body) for body in bodies]):
            await publish_batch(client, batch)
    finally:
        await client.close()


async def _ingest(stack: Stack) -> None:
    await stack.start_service("ingest")


async def _floor(stack: Stack, *, bare: bool = False) -> None:
    secrets = str(stack.secrets.folder / "ingest")
    await stack.supervisor.start(
        Process(
            name="floor",
            argv=(sys.executable, str(Path(__file__).parent / "floor.py"), *["bare"] * bare),
            env=plain_environment(stack.data)
            | {"SEALBOOK_SECRETS_DIR": secrets, "PYTHONUNBUFFERED": "1"},
            ready=_at_once,
            stop_timeout=5,
        )
    )


async def _at_once() -> None:
    return


def table(results: dict[str, Result]) -> str:
    """For people."""
    head = f"{'':28}" + "".join(f"{size:>12}" for size in results)
    summaries = {size: result.summary() for size, result in results.items()}
    rows = [
        ("ingest, interactions/s", [f"{r.ingest.per_s:,.0f}" for r in results.values()]),
        ("floor, messages/s", [f"{r.floor.per_s:,.0f}" for r in results.values()]),
        ("bare floor, messages/s", [f"{r.bare.per_s:,.0f}" for r in results.values()]),
        ("ingest / floor", [f"{s['floor_ratio']:.1%}" for s in summaries.values()]),
        ("ingest, CPU µs each", [f"{r.ingest.cpu_us:,.0f}" for r in results.values()]),
        ("floor, CPU µs each", [f"{r.floor.cpu_us:,.0f}" for r in results.values()]),
        ("ingest, peak MB", [f"{r.ingest.max_rss_mb:,.0f}" for r in results.values()]),
    ]
    stages = [s["stages_us"] for s in summaries.values()]
    rows += [(f"  {name}, CPU µs", [f"{one[name]:,.1f}" for one in stages]) for name in stages[0]]
    lines = [f"{name:28}" + "".join(f"{cell:>12}" for cell in cells) for name, cells in rows]
    return "\n".join([head, *lines])


async def main(file: Path) -> None:
    """Prints the table and the line of JSON."""
    with tempfile.TemporaryDirectory(prefix="sealbook-bench-") as folder:
        stack = Stack(Path(folder) / "data")
        await stack.start(services=())
        try:
            results = {size: await measure(stack, size, file) for size in SIZES}
        finally:
            await stack.stop()
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    print(table(results))
    summaries = {size: result.summary() for size, result in results.items()}
    print(json.dumps(summaries["2kb"] | {"16kb": summaries["16kb"]}))


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA))
    except SealbookError as error:
        sys.exit(f"The bench cannot run: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
