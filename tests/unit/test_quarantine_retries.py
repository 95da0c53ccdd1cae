"""Retries out of the quarantine: recorded inside ingest, when and as the bus first had it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from pipelines import AWAY, STORED, Held, Log, arrival, count, pipeline, uuid7

from sealbook.contract.commands import QuarantineQuery
from sealbook.errors import (
    Refused,
    Unavailable,
)
from sealbook.runtime.authorization import parse_policy
from sealbook.runtime.process import Process
from sealbook.sealing.cipher import DataKey
from services.ingest import quarantine as quarantine_module
from services.ingest.commands import QuarantineCommands
from services.ingest.quarantine import Quarantine
from services.ingest.receive import Rejected

CANARY = "canary-7f3a"


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
