"""ingest's pipeline at work: two batches at a time, what may happen between them, how it ends."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.errors import OutboundBufferLimitError
from pipelines import RULES, Cursor, Held, Log, arrival, count, message, pipeline
from waiting import until

from sealbook.contract.envelope import LogEntry
from sealbook.errors import Unavailable
from sealbook.stream.append import NewEvent
from services.ingest import pipeline as module
from services.ingest import prepare
from services.ingest.pipeline import Pipeline
from services.ingest.price import PriceBook
from services.ingest.record import Rules
from services.ingest.redact import Redactor, builtin_rules

OTHER_RULES = Rules(Redactor(builtin_rules()[:3]), PriceBook())


class Batches(Cursor):
    """One batch after the other; `fails` is what acknowledging the first one raises."""

    def __init__(self, *batches: Sequence[Msg], fails: Exception | None = None) -> None:
        super().__init__()
        self._batches = list(batches)
        self._fails = fails

    async def batch(self, max_messages: int, *, wait_s: float) -> list[Msg]:
        if not self._batches:
            await asyncio.sleep(0.01)
            return []
        return list(self._batches.pop(0))

    async def acknowledge(self, messages: Sequence[Msg]) -> None:
        failure, self._fails = self._fails, None
        if failure:
            raise failure
        await super().acknowledge(messages)


class SlowLog(Log):
    """Holds every append until `goes_on`."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on, self.entered = asyncio.Event(), asyncio.Event()

    async def append_once(self, events: Sequence[NewEvent]) -> list[NewEvent]:
        self.entered.set()
        await self.goes_on.wait()
        return await super().append_once(events)


@asynccontextmanager
async def running(made: Pipeline) -> AsyncIterator["asyncio.Task[None]"]:
    run = asyncio.create_task(made.run())
    try:
        async with asyncio.timeout(10):
            yield run
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


async def acknowledged(cursor: Cursor, batches: int) -> None:
    await until(
        lambda: told(cursor),
        lambda seen: [verb for verb, _ in seen].count("acknowledge") == batches,
        f"{batches} acknowledged",
    )


async def told(cursor: Cursor) -> list[tuple[str, int]]:
    return list(cursor.told)


async def test_what_was_prepared_by_rules_no_longer_in_force_is_prepared_anew() -> None:
    log, cursor = SlowLog(), Batches([message(1)], [message(2)])
    in_force = [RULES]
    made = pipeline(log, Held(), cursor)
    made = replace(made, preparation=replace(made.preparation, rules=lambda: in_force[0]))
    async with running(made):
        await log.entered.wait()
        await asyncio.sleep(0.1)  # the second one is prepared meanwhile
        in_force[0] = OTHER_RULES
        log.goes_on.set()
        await acknowledged(cursor, 2)
    versions = [event.policy_version for event in log.recorded]
    assert versions == [RULES.redactor.version, OTHER_RULES.redactor.version]
    assert len(set(versions)) == 2


async def test_what_was_prepared_long_ago_is_prepared_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = pipeline(Log(), Held())
    batch = [arrival(1)]
    prepared = await made.preparation.of(batch)
    assert prepared.holds(RULES)
    monkeypatch.setattr(prepare, "FRESH_SECONDS", 0)
    assert not prepared.holds(RULES)
    assert await made.record(batch, prepared) == []
    assert made.log.recorded[0].sealed != prepared.events[0].sealed  # type: ignore[attr-defined]


async def test_both_batches_stay_ours_while_the_log_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT_SECONDS", 0.06)
    log, cursor = SlowLog(), Batches([message(1)], [message(2), message(3)])
    async with running(pipeline(log, Held(), cursor)):
        both = {("keep", 1), ("keep", 2)}
        await until(lambda: told(cursor), lambda seen: both <= set(seen), "both kept")
        assert not cursor.acknowledged.is_set()
        log.goes_on.set()
        await acknowledged(cursor, 2)
        await asyncio.sleep(0.05)
        until_then = await told(cursor)
        await asyncio.sleep(0.1)
        assert cursor.told == until_then


async def test_stopped_it_leaves_nothing_running_behind() -> None:
    log, cursor = SlowLog(), Batches([message(1)], [message(2)])
    before = asyncio.all_tasks()
    async with running(pipeline(log, Held(), cursor)):
        await log.entered.wait()
    assert asyncio.all_tasks() == before
    assert (log.recorded, cursor.told) == ([], [])


async def test_a_defect_while_the_queue_is_empty_ends_the_run() -> None:
    cursor = Batches([message(1)], fails=RuntimeError("a defect"))
    async with running(pipeline(Log(), Held(), cursor)) as run:
        with pytest.raises(RuntimeError, match="a defect"):
            await run


async def test_an_acknowledgement_that_fails_ends_nothing() -> None:
    log, cursor = Log(), Batches([message(1)], [message(2)], fails=OutboundBufferLimitError())
    async with running(pipeline(log, Held(), cursor)):
        await acknowledged(cursor, 1)
    assert [event.model for event in log.recorded] == ["m1", "m2"]


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError()])
async def test_a_broken_connection_is_no_messages_fault(error: OSError) -> None:
    log, held = Log(), Held()
    log.fails = [error]
    with pytest.raises(type(error)):
        await pipeline(log, held).record_or_isolate([arrival(1), arrival(2)])
    assert (log.tries, held.rejected) == ([["m1", "m2"]], [])


async def test_what_a_lagging_replica_does_not_show_is_not_taken_for_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, held = Log(), Held()
    made = pipeline(log, held)
    await made.record([arrival(1)])

    async def lagging(subject: str) -> LogEntry | None:
        return None

    other: Any = arrival(2, of=1)
    with monkeypatch.context() as patch:
        patch.setattr(log, "last", lagging)
        with pytest.raises(Unavailable):
            await made.record([other])
    assert [one.code for one in await made.record([other])] == ["conflict"]
    assert (count(made, "duplicate"), held.codes) == (0, [(2, "conflict")])


async def test_a_broken_one_does_not_take_the_id_from_the_good_one_after_it_nor_its_place() -> None:
    log, held = Log(), Held()
    broken = arrival(1, provider=None)
    rejected = await pipeline(log, held).record([broken, arrival(2, of=1), arrival(3)])
    assert [(one.arrival.sequence, one.code) for one in rejected] == [(1, "incomplete")]
    assert [event.model for event in log.recorded] == ["m2", "m3"]
