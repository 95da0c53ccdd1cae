"""What every projector must hold to, on PostgreSQL: effect once, all or nothing, the same in any
batches; and rebuilds of the live projections while events keep flowing."""

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import psycopg
import pytest
from logged import START, entry, history, in_batches, poison, recorded, reviewed
from pydantic import SecretStr
from seen import interactions, rolled_up, sums
from seen import recorded as recorded_in
from sending import CALL
from sqlalchemy import Connection, event, select, text
from waiting import until

from sealbook import Recorder
from sealbook.cli.connection import Door
from sealbook.cli.stack import Stack
from sealbook.contract.envelope import LogEntry
from sealbook.contract.replies import CommandFailed
from sealbook.projection import generation
from sealbook.projection.commit import commit_live
from sealbook.projection.digest import Digests, digests
from sealbook.projection.generation import Generation, Superseded, quarantine
from sealbook.projection.projector import Projector
from sealbook.runtime.database import Database
from services.review.projector import ReviewProjector
from services.rollup.projector import RollupProjector

PROJECTORS = {"review": ReviewProjector, "rollup": RollupProjector}


class Crash(RuntimeError):
    """Stands for the end of the process at this instant."""


class Bench:
    """A projector under a name of its own, and its tables."""

    def __init__(self, database: Database, projector: Projector) -> None:
        self.database = database
        self.projector = projector
        self.live = Generation(projector.name, 1)

    async def feed(self, entries: Sequence[LogEntry]) -> int:
        """One batch, after whatever was read before."""
        previous = await self.position()
        return await self.commit(previous, entries)

    async def commit(self, previous: int, entries: Sequence[LogEntry]) -> int:
        return await self.database.run(commit_live, self.projector, self.live, previous, entries)

    async def position(self) -> int:
        return await self.database.run(self.live.position)

    async def digests(self) -> Digests:
        return await self.database.run(digests, self.projector, self.live)

    async def quarantined(self) -> list[tuple[int, str]]:
        def read(connection: Connection) -> list[tuple[int, str]]:
            self.live.enter(connection)
            query = select(quarantine.c.position, quarantine.c.reason)
            return [(row.position, row.reason) for row in connection.execute(query)]

        return await self.database.run(read)

    async def anew(self) -> None:
        """Empty again."""
        await self.database.run(self.live.create, self.projector)


@pytest.fixture(params=sorted(PROJECTORS))
async def bench(stack: Stack, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    kind = PROJECTORS[request.param]
    name = f"t_{uuid.uuid4().hex[:12]}"
    projector = type("Renamed", (kind,), {"name": name})()
    database = Database(SecretStr(stack.servers.endpoints.postgres.url))
    await database.run(lambda c: c.execute(text(f"CREATE SCHEMA {name}")))
    await database.run(generation.prepare, projector)
    yield Bench(database, projector)
    for schema in (name, f"{name}_v1"):
        await database.run(lambda c, s=schema: c.execute(text(f"DROP SCHEMA {s} CASCADE")))
    database.close()


@contextlib.contextmanager
def crash_at(step: int) -> Iterator[list[int]]:
    """Crash before the statement of this number; the list counts them."""
    seen = [0]

    def before(*_: Any) -> None:
        seen[0] += 1
        if seen[0] == step:
            raise Crash(f"at statement {step}")

    event.listen(Connection, "before_cursor_execute", before)
    try:
        yield seen
    finally:
        event.remove(Connection, "before_cursor_execute", before)


async def test_a_second_delivery_of_the_same_entries_changes_nothing(bench: Bench) -> None:
    entries = history(1)
    position = await bench.feed(entries)
    before = await bench.digests()
    assert position == entries[-1].position
    for again in (entries, entries[-5:], entries[:5], []):
        assert await bench.feed(again) == position
    assert await bench.digests() == before


async def test_an_overlap_counts_only_what_is_new(bench: Bench) -> None:
    entries = history(2)
    await bench.feed(entries)
    whole = await bench.digests()
    await bench.anew()
    await bench.feed(entries[:20])
    await bench.feed(entries[5:])
    assert await bench.digests() == whole


@pytest.mark.parametrize("seed", [3, 4])
async def test_how_events_fall_into_batches_does_not_change_the_digests(
    bench: Bench, seed: int
) -> None:
    entries = history(seed)
    await bench.feed(entries)
    whole = await bench.digests()
    for cut in (seed + 10, seed + 20):
        await bench.anew()
        for batch in in_batches(entries, cut):
            await bench.feed(batch)
        assert await bench.digests() == whole
    await bench.anew()
    for one in entries:
        await bench.feed([one])
    assert await bench.digests() == whole


async def test_a_crash_at_any_step_of_a_commit_leaves_nothing_half_done(bench: Bench) -> None:
    entries = history(5)
    await bench.feed(entries[:30])
    before, position = await bench.digests(), await bench.position()
    step = 0
    while True:
        step += 1
        with crash_at(step):
            try:
                await bench.commit(position, entries[30:])
            except Crash:
                crashed = True
            else:
                crashed = False
        if not crashed:
            break
        assert await bench.digests() == before
        assert await bench.position() == position
    assert step > 4
    after = await bench.digests()
    await bench.anew()
    await bench.feed(entries)
    assert await bench.digests() == after


async def test_an_entry_that_cannot_be_read_is_set_aside_and_the_rest_goes_on(
    bench: Bench,
) -> None:
    chance = random.Random(6)  # noqa: S311 any event will do
    good = [entry(position, recorded(position, chance)) for position in (1, 3, 5)]
    await bench.feed([good[0], poison(2), good[1], poison(4), good[2]])
    assert [position for position, _ in await bench.quarantined()] == [2, 4]
    found = await bench.digests()
    await bench.anew()
    await bench.feed(good)
    assert await bench.position() == 5
    expected = await bench.digests()
    assert {k: v for k, v in found.items() if k != "quarantine"} == {
        k: v for k, v in expected.items() if k != "quarantine"
    }


@pytest.mark.parametrize("bench", ["review"], indirect=True)
async def test_an_event_that_cannot_be_applied_is_set_aside_and_the_rest_goes_on(
    bench: Bench,
) -> None:
    chance = random.Random(7)  # noqa: S311 any event will do
    first, second = recorded(1, chance), recorded(2, chance)
    nul = recorded(3, chance).model_copy(update={"agent": "a\0b"})
    decision = reviewed(second.id, 1, chance, START)
    entries = [entry(n, e) for n, e in enumerate([first, first, nul, second, decision], start=1)]
    await bench.feed(entries)
    assert [position for position, _ in await bench.quarantined()] == [2, 3]
    together = await bench.digests()
    await bench.anew()
    for one in entries:
        await bench.feed([one])
    assert await bench.digests() == together


async def test_a_second_runner_on_the_same_checkpoint_gets_superseded(bench: Bench) -> None:
    entries = history(8)
    outcomes = await asyncio.gather(
        *(bench.commit(0, entries) for _ in range(3)), return_exceptions=True
    )
    assert sum(isinstance(one, Superseded) for one in outcomes) == 2
    assert entries[-1].position in outcomes
    once = await bench.digests()
    await bench.anew()
    await bench.feed(entries)
    assert await bench.digests() == once


async def test_a_runner_of_another_generation_gets_superseded(bench: Bench) -> None:
    bench.live = Generation(bench.projector.name, 2)
    with pytest.raises(Superseded):
        await bench.commit(0, history(9))


@pytest.mark.parametrize("name", sorted(PROJECTORS))
async def test_a_rebuild_while_events_keep_flowing_is_equal_and_readers_notice_nothing(
    recorder: Recorder, admin: Door, open_door: Any, project: str, name: str
) -> None:
    stop = asyncio.Event()
    sent = 0
    fewer_than_before: list[tuple[int, int]] = []

    async def record() -> None:
        nonlocal sent
        while not stop.is_set():
            receipts = await recorder.record_many([CALL] * 20)
            sent += sum(receipt.ok for receipt in receipts)
            await asyncio.sleep(0.05)

    async def read() -> None:
        door, last = await open_door("reader"), 0
        while not stop.is_set():
            row = await sums(door, project)
            listed = len(await interactions(door, project))
            calls = row.get("calls", 0) if name == "rollup" else listed
            if calls < last:
                fewer_than_before.append((last, calls))
            last = calls

    tasks = [asyncio.create_task(work()) for work in (record, read)]
    try:
        await recorded_in(admin, project, 40)
        generations = []
        for _ in range(3):
            reply = await admin.ask("projection.rebuild", projection=name)
            assert reply["equal"]
            generations.append(reply["generation"])
    finally:
        stop.set()
        await asyncio.gather(*tasks)
    assert generations == list(range(generations[0], generations[0] + 3))
    assert fewer_than_before == []
    assert len(await recorded_in(admin, project, sent)) == sent
    assert (await rolled_up(admin, project, sent))["calls"] == sent


async def live_schema(superuser: psycopg.AsyncConnection[Any], name: str) -> str:
    found = await superuser.execute(f"SELECT generation FROM {name}.projection")  # type: ignore[arg-type]
    row = await found.fetchone()
    assert row is not None
    return f"{name}_v{row[0]}"


TAMPERED = {
    "review": "UPDATE {schema}.interaction SET model = 'tampered' WHERE project = %s",
    "rollup": "UPDATE {schema}.daily SET calls = calls + 5 WHERE project = %s",
}


@pytest.mark.parametrize("name", sorted(TAMPERED))
async def test_a_live_table_that_differs_from_the_log_is_found_and_kept_until_accepted(
    recorder: Recorder,
    admin: Door,
    superuser: psycopg.AsyncConnection[Any],
    project: str,
    name: str,
) -> None:
    await recorder.record(**CALL)
    await recorded_in(admin, project, 1)
    await rolled_up(admin, project, 1)
    schema = await live_schema(superuser, name)
    await superuser.execute(TAMPERED[name].format(schema=schema), [project])  # type: ignore[arg-type]
    try:
        with pytest.raises(CommandFailed, match="differs from what is live") as caught:
            await admin.ask("projection.rebuild", projection=name)
        assert caught.value.code == "diverged"
        assert await live_schema(superuser, name) == schema
    finally:
        reply = await admin.ask("projection.rebuild", projection=name, accept_difference=True)
    assert not reply["equal"]
    assert await live_schema(superuser, name) == f"{name}_v{reply['generation']}" != schema
    [row] = await interactions(admin, project)
    assert row["model"] == CALL["model"]
    assert (await sums(admin, project))["calls"] == 1
    assert (await recorder.record(**CALL)).ok
    await recorded_in(admin, project, 2)
    await rolled_up(admin, project, 2)
    again = await until(
        lambda: admin.ask("projection.rebuild", projection=name), bool, "another rebuild"
    )
    assert again["equal"]


async def test_two_rebuilds_at_once_leave_one_equal_generation_live(
    recorder: Recorder, admin: Door, open_door: Any, project: str
) -> None:
    await recorder.record(**CALL)
    await rolled_up(admin, project, 1)
    other = await open_door("admin")
    outcomes = await asyncio.gather(
        *(door.ask("projection.rebuild", projection="rollup") for door in (admin, other)),
        return_exceptions=True,
    )
    for outcome in outcomes:
        if isinstance(outcome, CommandFailed):
            assert outcome.code == "conflict"
        else:
            assert isinstance(outcome, dict)
            assert outcome["equal"]
    assert any(isinstance(outcome, dict) for outcome in outcomes)
    assert (await admin.ask("projection.rebuild", projection="rollup"))["equal"]
    assert (await sums(admin, project))["calls"] == 1
