"""ingest's pipeline: tried again in place, the odd one set aside alone."""

import asyncio
from dataclasses import replace

import pytest
from nats.errors import ConnectionReconnectingError
from pipelines import AWAY, Cursor, Held, Keys, Log, arrival, count, message, pipeline

from sealbook.contract.envelope import LogEntry
from sealbook.errors import (
    KeyUnavailable,
    Misconfigured,
    SealbookError,
    SealBroken,
)
from services.ingest import pipeline as module
from services.ingest.receive import Arrival

CANARY = "canary-7f3a"


async def test_a_batch_is_recorded_at_once() -> None:
    log, held = Log(), Held()
    made = pipeline(log, held)
    assert await made.record_or_isolate([arrival(n) for n in (1, 2, 3)]) == []
    assert log.tries == [["m1", "m2", "m3"]]
    assert (held.rejected, count(made, "recorded")) == ([], 3)


@pytest.mark.parametrize("code", ["too_large", "unprocessable"])
async def test_the_one_that_makes_a_batch_fail_is_set_aside_alone(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    log, held = Log(), Held()
    (log.too_large if code == "too_large" else log.odd).add("m2")
    made = pipeline(log, held)
    rejected = await made.record_or_isolate([arrival(n) for n in (1, 2, 3)])
    assert [(one.arrival.sequence, one.code, one.project) for one in rejected] == [
        (2, code, "support")
    ]
    assert held.codes == [(2, code)]
    assert log.tries == [["m1", "m2", "m3"], ["m1"], ["m2"], ["m3"]]
    assert [event.model for event in log.recorded] == ["m1", "m3"]
    assert CANARY not in caplog.text + rejected[0].detail


BROKEN = [SealBroken("The key does not authenticate."), KeyUnavailable("The key is gone.")]


def of_project(name: str, one: Arrival) -> Arrival:
    return replace(one, subject=f"sealbook.submit.{name}")


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: error.code)
async def test_a_broken_key_stays_with_its_project(error: SealbookError) -> None:
    log, held = Log(), Held()
    made = pipeline(log, held, keys=Keys(sales=error))
    batch = [arrival(1), of_project("sales", arrival(2)), arrival(3)]
    batch.append(of_project("sales", arrival(4)))
    rejected = await made.record_or_isolate(batch)
    assert [(one.arrival.sequence, one.project, one.code, one.detail) for one in rejected] == [
        (2, "sales", error.code, str(error)),
        (4, "sales", error.code, str(error)),
    ]
    assert error.code in ("seal_broken", "key_unavailable")
    assert held.rejected == rejected
    assert log.tries == [["m1"], ["m3"]]
    assert [(event.project, event.model) for event in log.recorded] == [
        ("support", "m1"),
        ("support", "m3"),
    ]
    assert (count(made, "recorded"), count(made, "quarantined")) == (2, 2)


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: error.code)
async def test_a_batch_with_a_broken_key_is_acknowledged_not_tried_for_ever(
    error: SealbookError,
) -> None:
    log, held, cursor = Log(), Held(), Cursor([message(1), message(2)])
    cursor._messages[1].subject = "sealbook.submit.sales"
    run = asyncio.create_task(pipeline(log, held, cursor, Keys(sales=error)).run())
    try:
        async with asyncio.timeout(10):
            await cursor.acknowledged.wait()
    finally:
        run.cancel()
    assert cursor.told == [("acknowledge", 2)]
    assert held.codes == [(2, error.code)]
    assert [event.model for event in log.recorded] == ["m1"]


@pytest.mark.parametrize("error", [AWAY, Misconfigured("no key file")], ids=lambda one: one.code)
@pytest.mark.parametrize("size", [1, 3])
async def test_what_an_operator_can_mend_holds_up_the_batch_and_condemns_nothing(
    error: SealbookError, size: int
) -> None:
    log, held = Log(), Held()
    made = pipeline(log, held, keys=Keys(sales=error))
    batch = [of_project("sales", arrival(1)), arrival(2), arrival(3)][:size]
    with pytest.raises(type(error)) as caught:
        await made.record_or_isolate(batch)
    assert caught.value is error
    assert (log.tries, held.rejected) == ([], [])
    assert [count(made, outcome) for outcome in ("recorded", "quarantined")] == [0, 0]


async def test_a_wrong_setting_is_waited_for_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)
    log, held, cursor = Log(), Held(), Cursor([message(1), message(2)])
    log.fails = [Misconfigured("no permission")] * 2
    run = asyncio.create_task(pipeline(log, held, cursor).run())
    try:
        async with asyncio.timeout(10):
            await cursor.acknowledged.wait()
    finally:
        run.cancel()
    assert cursor.told == [("acknowledge", 2)]
    assert (len(log.recorded), held.rejected) == (2, [])


@pytest.mark.parametrize("odd", [{"ce-dataversion": "99"}, {"ce-type": "interaction.x"}, None])
async def test_an_entry_that_cannot_be_read_is_not_the_same_as_ours(
    odd: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, held = Log(), Held()
    made = pipeline(log, held)
    assert await made.record_or_isolate([arrival(1)]) == []
    last = log.last

    async def unreadable(subject: str) -> LogEntry | None:
        entry = await last(subject)
        assert entry is not None
        if odd is None:
            return replace(entry, body=b"no JSON")
        return replace(entry, headers={**entry.headers, **odd})

    monkeypatch.setattr(log, "last", unreadable)
    # Even where the content is the same: nobody can tell. Others are recorded with it.
    rejected = await made.record_or_isolate([replace(arrival(1), sequence=7), arrival(2)])
    assert [(one.arrival.sequence, one.code) for one in rejected] == [(7, "conflict")]
    assert held.codes == [(7, "conflict")]
    assert [event.model for event in log.recorded] == ["m1", "m2"]
    outcomes = {name: count(made, name) for name in ("recorded", "duplicate", "quarantined")}
    assert outcomes == {"recorded": 2, "duplicate": 0, "quarantined": 1}


@pytest.mark.parametrize("error", [AWAY, ConnectionReconnectingError()])
async def test_a_server_away_is_no_messages_fault(error: Exception) -> None:
    log, held = Log(), Held()
    log.fails = [error]
    with pytest.raises(type(error)):
        await pipeline(log, held).record_or_isolate([arrival(1), arrival(2)])
    assert (log.tries, held.rejected) == ([["m1", "m2"]], [])


async def test_what_was_quarantined_is_returned_whatever_its_reason() -> None:
    log, held = Log(), Held()
    bodies = [
        replace(arrival(1), body=b"no JSON"),
        arrival(2, promt="x"),
        arrival(3, provider=None),
        replace(arrival(4), subject="sealbook.submit.$x"),
        arrival(5),
    ]
    rejected = await pipeline(log, held).record_or_isolate(bodies)
    codes = [
        (1, "malformed_json"),
        (2, "invalid_submission"),
        (3, "incomplete"),
        (4, "bad_project"),
    ]
    assert sorted((one.arrival.sequence, one.code) for one in rejected) == codes
    assert sorted(held.codes) == codes
    assert [event.model for event in log.recorded] == ["m5"]


async def test_what_repeats_an_id_within_a_batch_is_compared_with_the_first() -> None:
    log, held = Log(), Held()
    made = pipeline(log, held)
    same = replace(arrival(1), sequence=2)
    rejected = await made.record_or_isolate([arrival(1), same, arrival(3, of=1)])
    assert [(one.arrival.sequence, one.code) for one in rejected] == [(3, "conflict")]
    assert [event.model for event in log.recorded] == ["m1"]
    outcomes = {name: count(made, name) for name in ("recorded", "duplicate", "quarantined")}
    assert outcomes == {"recorded": 1, "duplicate": 1, "quarantined": 1}


@pytest.mark.parametrize("failures", [0, 1, 3])
async def test_a_batch_is_tried_again_in_place_and_acknowledged_only_then(
    failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)
    log, held, cursor = Log(), Held(), Cursor([message(1), message(2)])
    log.fails = [AWAY] * failures
    run = asyncio.create_task(pipeline(log, held, cursor).run())
    try:
        async with asyncio.timeout(10):
            await cursor.acknowledged.wait()
    finally:
        run.cancel()
    assert cursor.told == [("acknowledge", 2)]
    assert log.tries == [["m1", "m2"]] * (failures + 1)
    assert len(log.recorded) == 2
