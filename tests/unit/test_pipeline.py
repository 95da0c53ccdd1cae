"""ingest's pipeline: tried again in place, the odd one set aside alone, retries count as before."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from nats.aio.msg import Msg
from nats.errors import ConnectionReconnectingError

from sealbook.contract import subjects
from sealbook.contract.commands import QuarantineQuery
from sealbook.contract.documents import compact
from sealbook.contract.envelope import LogEntry, headers_for
from sealbook.contract.events import InteractionRecorded
from sealbook.errors import (
    InvalidInput,
    KeyUnavailable,
    Misconfigured,
    Refused,
    SealbookError,
    SealBroken,
    Unavailable,
)
from sealbook.runtime.authorization import parse_policy
from sealbook.runtime.process import Process
from sealbook.runtime.telemetry import Metrics
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring, Scope
from sealbook.stream.append import LogWriter, NewEvent
from sealbook.stream.cursor import SubmissionCursor
from services.ingest import pipeline as module
from services.ingest import quarantine as quarantine_module
from services.ingest.commands import QuarantineCommands
from services.ingest.pipeline import Pipeline
from services.ingest.price import PriceBook
from services.ingest.quarantine import Quarantine
from services.ingest.receive import Arrival, Rejected
from services.ingest.record import Rules
from services.ingest.redact import Redactor, builtin_rules

CANARY = "canary-7f3a"
STORED = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
RULES = Rules(Redactor(builtin_rules()), PriceBook())
AWAY = Unavailable("away")


class Keys:
    """A key for every scope, but for those of projects whose keys are `broken`."""

    def __init__(self, **broken: Exception) -> None:
        self._keys: dict[Scope, DataKey] = {}
        self._broken = broken

    async def for_scopes(self, scopes: Collection[Scope]) -> dict[Scope, DataKey]:
        scopes = list(scopes)
        for one in scopes:
            if one.project in self._broken:
                raise self._broken[one.project]
        return {one: self._keys.setdefault(one, DataKey(uuid4(), b"k" * 32)) for one in scopes}


class Log:
    """Keeps the first event of every id; fails with what `fails` tells, once each."""

    def __init__(self) -> None:
        self.events: dict[UUID, NewEvent] = {}
        self.fails: list[Exception] = []
        self.too_large: set[str] = set()
        self.odd: set[str] = set()
        self.tries: list[list[str]] = []

    async def append_once(self, events: Sequence[NewEvent]) -> list[NewEvent]:
        recorded = [cast("InteractionRecorded", new.event) for new in events]
        models = [event.model for event in recorded]
        self.tries.append(models)
        if self.fails:
            raise self.fails.pop(0)
        if self.too_large & set(models):
            raise InvalidInput("over the limit")
        if self.odd & set(models):
            raise RuntimeError(CANARY)
        existing = [new for new in events if new.event.id in self.events]  # type: ignore[attr-defined]
        for event, new in zip(recorded, events, strict=True):
            self.events.setdefault(event.id, new)
        return existing

    async def last(self, subject: str) -> LogEntry | None:
        for key, new in self.events.items():
            if subject == subjects.event_anywhere(InteractionRecorded.type, str(key)):
                headers = headers_for(
                    new.event, event_id=str(key), source="s", subject=str(key), time=new.time
                )
                return LogEntry(1, subject, headers, new.event.model_dump_json().encode())
        return None

    @property
    def recorded(self) -> list[InteractionRecorded]:
        return [cast("InteractionRecorded", new.event) for new in self.events.values()]


class Held:
    """A quarantine in memory."""

    def __init__(self, **entries: Arrival) -> None:
        self.rejected: list[Rejected] = []
        self.entries = {int(name[1:]): arrival for name, arrival in entries.items()}
        self.retried: list[int] = []

    async def hold(self, rejected: Sequence[Rejected]) -> None:
        self.rejected += rejected

    async def opened(self, ids: Sequence[int], limit: int) -> dict[int, Arrival]:
        return {one: self.entries[one] for one in list(ids or self.entries)[:limit]}

    async def mark_retried(self, ids: Sequence[int], at: datetime) -> None:
        self.retried += ids

    @property
    def codes(self) -> list[tuple[int, str]]:
        return [(one.arrival.sequence, one.code) for one in self.rejected]


class Cursor:
    """One batch, and then none for ever; writes down what it was told."""

    def __init__(self, messages: Sequence[Msg] = ()) -> None:
        self._messages = list(messages)
        self.acknowledged = asyncio.Event()
        self.told: list[tuple[str, int]] = []

    async def batch(self, max_messages: int, *, wait_s: float) -> list[Msg]:
        if not self._messages:
            await asyncio.Event().wait()
        messages, self._messages = self._messages, []
        return messages

    async def acknowledge(self, messages: Sequence[Msg]) -> None:
        self.told.append(("acknowledge", len(messages)))
        self.acknowledged.set()

    async def keep(self, messages: Sequence[Msg]) -> None:
        self.told.append(("keep", len(messages)))


def pipeline(
    log: Log, held: Held, cursor: Cursor | None = None, keys: Keys | None = None
) -> Pipeline:
    return Pipeline(
        cursor=cast("SubmissionCursor", cursor or Cursor()),
        log=cast("LogWriter", log),
        keyring=cast("Keyring", keys or Keys()),
        quarantine=cast("Quarantine", held),
        rules=RULES,
        partitions=8,
        metrics=Metrics(),
    )


def uuid7(number: int) -> UUID:
    return UUID(f"019a0a0a-0000-7abc-8def-{number:012x}")


def arrival(number: int, *, of: int | None = None, **fields: Any) -> Arrival:
    body = compact({"provider": "acme", "model": f"m{number}"} | fields)
    return Arrival("sealbook.submit.support", body, number, STORED, uuid7(of or number))


def message(number: int) -> Msg:
    return Msg(
        _client=None,  # type: ignore[arg-type]
        subject="sealbook.submit.support",
        reply=f"$JS.ACK.SEALBOOK_SUBMIT.ingest.1.{number}.{number}.1767323045000000000.0",
        data=compact({"provider": "acme", "model": f"m{number}"}),
    )


def count(of: Pipeline, outcome: str) -> float:
    name, labels = "sealbook_ingest_submissions_total", {"outcome": outcome}
    return of.metrics.registry.get_sample_value(name, labels) or 0.0


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
    assert cursor.told == [("keep", 2)] * 2 + [("acknowledge", 2)]
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
    # In between the queue is told that we are at it, so that nobody else gets them.
    assert cursor.told == [("keep", 2)] * failures + [("acknowledge", 2)]
    assert log.tries == [["m1", "m2"]] * (failures + 1)
    assert len(log.recorded) == 2


def commands(held: Held, log: Log, role: str = "administrator") -> QuarantineCommands:
    policy = parse_policy({"actors": {"alice": {role: ["*"]}}})
    process = cast("Process", SimpleNamespace(policy=policy))
    return QuarantineCommands(process, cast("Quarantine", held), pipeline(log, held))


async def test_a_retry_records_inside_ingest_when_and_as_the_bus_first_had_it() -> None:
    log, held = Log(), Held(e7=arrival(1), e8=arrival(2))
    reply = await commands(held, log).retry("alice", QuarantineQuery())
    assert reply == {"retried": 2, "recorded": 2}
    assert held.retried == [7, 8]
    assert [(one.id, one.occurred_at) for one in log.recorded] == [
        (uuid7(1), STORED),
        (uuid7(2), STORED),
    ]


async def test_what_still_cannot_be_recorded_stays_held() -> None:
    log, held = Log(), Held(e7=arrival(1, promt="x"), e8=arrival(2), e9=arrival(3))
    log.too_large.add("m3")
    reply = await commands(held, log).retry("alice", QuarantineQuery())
    assert reply == {"retried": 3, "recorded": 1}
    assert held.retried == [8]
    assert held.codes == [(1, "invalid_submission"), (3, "too_large")]


async def test_a_retry_of_what_was_recorded_since_counts_nothing_twice() -> None:
    log, held = Log(), Held(e7=arrival(1))
    once = commands(held, log)
    for _ in range(2):
        assert await once.retry("alice", QuarantineQuery(ids=(7,))) == {
            "retried": 1,
            "recorded": 1,
        }
    assert len(log.recorded) == 1
    assert count(once.pipeline, "duplicate") == 1


async def test_a_retry_while_a_server_is_away_marks_nothing() -> None:
    log, held = Log(), Held(e7=arrival(1))
    log.fails = [AWAY]
    with pytest.raises(Unavailable):
        await commands(held, log).retry("alice", QuarantineQuery())
    assert (held.retried, held.rejected) == ([], [])


async def test_a_retry_is_an_administrators() -> None:
    log, held = Log(), Held(e7=arrival(1))
    with pytest.raises(Refused):
        await commands(held, log, "reviewer").retry("alice", QuarantineQuery())
    assert log.tries == []


def test_what_comes_out_of_the_quarantine_is_what_went_in() -> None:
    key = DataKey(UUID(int=1), b"k" * 32)
    one = replace(arrival(7), body=CANARY.encode())
    row = quarantine_module._row(Rejected(one, "support", "malformed_json", CANARY), key)
    assert CANARY.encode() not in row["sealed"]
    assert CANARY not in str({name: value for name, value in row.items() if name != "sealed"})
    out = quarantine_module._arrival(cast("Any", SimpleNamespace(**row)), key)
    assert out == one
    assert (out.sequence, out.stored_at, out.id) == (7, STORED, uuid7(7))
