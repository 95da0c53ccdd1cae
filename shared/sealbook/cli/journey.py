"""The steps of the demo: each does something real on real servers, and says what came of it."""

import asyncio
import csv
import hashlib
import io
import secrets
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sealbook.cli import canary, show
from sealbook.cli.connection import Door, door, find_connection
from sealbook.cli.exports import wait_until_ended
from sealbook.cli.outcome import Outcome
from sealbook.cli.record_file import record_file
from sealbook.cli.stack import Stack
from sealbook.errors import Unavailable
from sealbook.recorder import Recorder

PROJECT = "demo"
REVIEWED = 12
SETTLE_SECONDS = 30.0


class Journey:
    """One run of the demo."""

    def __init__(self, file: Path, folder: Path, *, quiet: bool) -> None:
        self._file = file
        self._stack = Stack(folder)
        self._say = show.console(quiet=quiet).print
        self._outcome = Outcome()
        # No two runs share it, so that finding it means finding this run's plaintext.
        self._canary = f"canary-{secrets.token_hex(12)}"

    async def run(self) -> Outcome:
        """All steps, on servers that are stopped afterwards."""
        started = time.monotonic()
        await self._stack.start()
        self._say(f"[bold]1[/] Servers and services run (in {time.monotonic() - started:.1f} s).")
        try:
            started = time.monotonic()
            await self._record()
            async with door(find_connection(self._stack.data, "admin")) as opened:
                await self._settle(opened)
                await self._review(opened)
                await self._rollup(opened)
                await self._export(opened)
                await self._rebuild(opened)
        finally:
            await self._stack.stop()
        await self._search()
        self._outcome.seconds = time.monotonic() - started
        return self._outcome

    async def _record(self) -> None:
        started = time.monotonic()
        address = find_connection(self._stack.data, "recorder").address("recorder")
        recorder = Recorder(
            address.url, project=PROJECT, user=address.user, password=address.password
        )
        async with recorder as opened:
            planted = canary.PlantingRecorder(opened, self._canary)
            summary = await record_file(planted, self._file, PROJECT, on_progress=lambda done: None)
        for line, why in summary.refused:
            self._say(f"  line {line}: {why}")
        self._outcome.submitted = summary.submitted
        self._say(
            f"[bold]2[/] {summary.acknowledged} real exchanges recorded "
            f"(in {time.monotonic() - started:.1f} s), each with a canary in its private parts."
        )

    async def _settle(self, door: Door) -> None:
        """Wait until the projections show what was recorded, or quarantine holds the rest."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            self._outcome.quarantined = sum(
                (await door.ask("quarantine.list", limit=1))["counts"].values()
            )
            expected = self._outcome.submitted - self._outcome.quarantined
            self._outcome.rollup_calls = await _calls(door)
            self._outcome.recorded = await _count(door)
            if min(self._outcome.rollup_calls, self._outcome.recorded) >= expected:
                return
            await asyncio.sleep(0.1)

    async def _review(self, door: Door) -> None:
        rows = (await door.ask("interaction.list", limit=REVIEWED))["interactions"]
        for number, row in enumerate(rows):
            reply = await door.ask(
                "review",
                ids=[row["id"]],
                state=("approved", "flagged", "rejected")[number % 3],
                comment=f"Looked at it: {self._canary}",
                expected_version=row["review_version"],
            )
            self._outcome.reviewed += reply["reviewed"]
        await door.ask("interaction.open", id=rows[0]["id"])
        await _until(lambda: self._reviews_show(door))
        self._say(f"[bold]3[/] {self._outcome.reviewed} reviewed, one payload opened; on record:")
        trail = (await door.ask("audit.list", limit=5))["audit"]
        columns = ("log_position", "actor", "action", "interaction_id")
        self._table("The newest lines of the audit trail", columns, trail, right=("log_position",))

    async def _reviews_show(self, door: Door) -> bool:
        rows = (await door.ask("interaction.list", limit=REVIEWED))["interactions"]
        trail = (await door.ask("audit.list", limit=1000))["audit"]
        opened = any(row["action"] == "interaction.opened" for row in trail)
        return opened and sum(row["review_version"] > 0 for row in rows) == self._outcome.reviewed

    async def _rollup(self, door: Door) -> None:
        rows = (await door.ask("rollup.query", by=["provider"]))["rows"]
        self._say(f"[bold]4[/] Rolled up: {sum(row['calls'] for row in rows)} calls.")
        shown = [row | {"cents": show.cents(row["cost_total_cents"])} for row in rows]
        numbers = ("calls", "errors", "input_tokens", "output_tokens", "cents")
        columns = ("provider", *numbers, "unknown_cost_count")
        self._table("By provider", columns, shown, right=columns[1:])

    async def _export(self, door: Door) -> None:
        for file_format in ("ndjson", "csv"):
            started = time.monotonic()
            job_id = (await door.ask("export.request", format=file_format))["job_id"]
            row = await wait_until_ended(door, job_id)
            link = await door.ask("export.download", job_id=job_id)
            content = await asyncio.to_thread(_fetch, link["url"])
            if hashlib.sha256(content).hexdigest() == row["sha256"]:
                self._outcome.export_sha256 = row["sha256"]
            self._outcome.export_rows = _rows_in(content, file_format)
            # The search below means something only if the canary went all the way.
            self._outcome.canary_arrived = content.count(self._canary.encode()) >= row["rows"]
            self._say(
                f"[bold]5[/] Exported {row['rows']} rows as {file_format}: {row['size_bytes']:,} "
                f"bytes, SHA-256 {row['sha256'][:16]}… (in {time.monotonic() - started:.1f} s)."
            )

    async def _rebuild(self, door: Door) -> None:
        equal = []
        for name in ("review", "rollup"):
            reply = await door.ask("projection.rebuild", projection=name)
            equal.append(reply["equal"])
            verdict = "equal" if reply["equal"] else "NOT equal"
            self._say(
                f"[bold]6[/] Rebuilt {name} from {reply['events']} events in "
                f"{reply['seconds']:.1f} s; the digests are {verdict}."
            )
        self._outcome.rebuild_equal = all(equal)

    async def _search(self) -> None:
        found, searched = await asyncio.to_thread(
            canary.search, self._stack.data, self._canary.encode()
        )
        self._outcome.plaintext_found = len(found)
        for path in found:
            self._say(f"  plaintext in {path}")
        self._say(
            f"[bold]7[/] Searched {searched / 2**20:.1f} MiB on disk for the canary: "
            f"found {len(found)} times."
        )

    def _table(self, title: str, columns: Any, rows: Any, *, right: Any) -> None:
        self._say(show.as_table(title, columns, rows, right=right))


async def _until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not await holds():
        if time.monotonic() > deadline:
            raise Unavailable(f"The projections did not catch up within {SETTLE_SECONDS:.0f} s.")
        await asyncio.sleep(0.1)


async def _calls(door: Door) -> int:
    rows = (await door.ask("rollup.query", by=["project"]))["rows"]
    return sum(row["calls"] for row in rows if row["project"] == PROJECT)


async def _count(door: Door) -> int:
    count, before = 0, None
    while True:
        wanted = {"project": PROJECT}
        page = await door.ask("interaction.list", filter=wanted, limit=1000, before=before)
        count += len(page["interactions"])
        before = page["next"]
        if before is None:
            return count


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as source:  # noqa: S310 from our own bus
        content: bytes = source.read()
        return content


def _rows_in(content: bytes, file_format: str) -> int:
    if file_format == "ndjson":
        return content.count(b"\n")
    csv.field_size_limit(2**31 - 1)
    return sum(1 for _ in csv.reader(io.StringIO(content.decode(), newline=""))) - 1
