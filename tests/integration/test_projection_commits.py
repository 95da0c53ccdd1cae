"""Every projector on PostgreSQL: effect once, all or nothing, the same in any batches."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator

import pytest
from logged import START, entry, history, in_batches, poison, recorded, reviewed
from projecting import PROJECTORS, Bench, Crash, crash_at
from pydantic import SecretStr
from sqlalchemy import text

from sealbook.cli.stack import Stack
from sealbook.projection import generation
from sealbook.projection.generation import Generation, Superseded
from sealbook.runtime.database import Database


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
