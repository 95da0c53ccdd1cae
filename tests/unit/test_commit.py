"""One batch of a projection: what cannot be applied is found by halves and set aside, alone."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from sealbook.contract import subjects
from sealbook.contract.envelope import LogEntry
from sealbook.projection.commit import commit_batch, skip_to
from sealbook.projection.generation import Generation
from sealbook.projection.projector import Placed, Projector

CANARY = "canary-7f3a"
BODY = (
    f'{{"id": "{UUID(int=7)}", "job_id": "j", "actor": "a", "cancelled_at": "2026-01-02T03:04Z"}}'
)


class Refusal(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        super().__init__(CANARY)
        self.sqlstate = sqlstate


class Transaction:
    """A connection whose savepoints keep or forget what was applied in them."""

    def __init__(self) -> None:
        self.applied: list[int] = []
        self.set_aside: list[dict[str, Any]] = []
        self.checkpoint: list[tuple[int, int, int]] = []
        self.entered = False

    @contextmanager
    def begin_nested(self) -> Iterator[None]:
        before = list(self.applied)
        try:
            yield
        except BaseException:
            self.applied = before
            raise

    def execute(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        assert self.entered
        assert statement.table.name == "quarantine"
        self.set_aside += rows


class Here:
    """The generation at work."""

    schema = "review_v3"

    def enter(self, connection: Transaction) -> None:
        connection.entered = True

    def advance(self, connection: Transaction, previous: int, position: int, events: int) -> None:
        assert connection.entered
        connection.checkpoint.append((previous, position, events))


class Applies:
    """A projector that stumbles over some positions, with the error given for each."""

    def __init__(self, stumbles: dict[int, Exception]) -> None:
        self._stumbles = stumbles
        self.tried: list[list[int]] = []

    def apply(self, batch: Sequence[Placed], connection: Transaction) -> None:
        self.tried.append([placed.position for placed in batch])
        for placed in batch:
            connection.applied.append(placed.position)
            if error := self._stumbles.get(placed.position):
                raise error


def entry(position: int, **changes: Any) -> LogEntry:
    headers = {"ce-type": "export.cancelled", "ce-dataversion": "1"}
    subject = subjects.event(3, "export.cancelled", "j")
    fields = {"subject": subject, "headers": headers, "body": BODY.encode()} | changes
    return LogEntry(position, fields["subject"], fields["headers"], fields["body"])


def committed(
    entries: Sequence[LogEntry], stumbles: dict[int, Exception] | None = None, previous: int = 0
) -> tuple[Transaction, Applies, int]:
    transaction, projector = Transaction(), Applies(stumbles or {})
    position = commit_batch(
        cast("Connection", transaction),
        cast("Projector", projector),
        cast("Generation", Here()),
        previous,
        entries,
    )
    return transaction, projector, position


def refused(state: str | None) -> DBAPIError:
    return DBAPIError("INSERT", {}, Refusal(state))


def test_a_batch_is_applied_at_once() -> None:
    transaction, projector, position = committed([entry(n) for n in range(1, 9)])
    assert projector.tried == [[1, 2, 3, 4, 5, 6, 7, 8]]
    assert (transaction.checkpoint, position) == ([(0, 8, 8)], 8)
    assert transaction.set_aside == []


def test_what_was_read_before_is_left_out() -> None:
    transaction, projector, position = committed([entry(n) for n in range(1, 5)], previous=2)
    assert projector.tried == [[3, 4]]
    assert (transaction.checkpoint, position) == ([(2, 4, 2)], 4)
    assert committed([entry(1)], previous=2)[0].checkpoint == []


@pytest.mark.parametrize("poison", range(1, 9))
def test_one_that_cannot_be_applied_is_found_by_halves(poison: int) -> None:
    transaction, projector, position = committed(
        [entry(n) for n in range(1, 9)], {poison: refused("22003")}
    )
    assert transaction.applied == [n for n in range(1, 9) if n != poison]
    assert [row["position"] for row in transaction.set_aside] == [poison]
    # All, then two halves, two quarters and two single ones: not one by one.
    assert sorted(map(len, projector.tried), reverse=True) == [8, 4, 4, 2, 2, 1, 1]
    assert (transaction.checkpoint, position) == ([(0, 8, 8)], 8)


def test_in_a_long_batch_few_tries_find_it() -> None:
    entries = [entry(n) for n in range(1, 2001)]
    transaction, projector, _ = committed(entries, {1234: ValueError(CANARY)})
    assert len(transaction.applied) == 1999
    assert transaction.applied == sorted(transaction.applied)
    assert len(projector.tried) <= 2 * 11 + 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refused("22003"), "Refusal while applying"),
        (refused("23505"), "Refusal while applying"),
        (ValueError(CANARY), "ValueError while applying"),
        (OverflowError(CANARY), "OverflowError while applying"),
        (KeyError(CANARY), "KeyError while applying"),
        (TypeError(CANARY), "TypeError while applying"),
    ],
)
def test_what_is_set_aside_tells_its_reason_and_quotes_nothing(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "sealbook.projection"):
        transaction, _, _ = committed([entry(1), entry(2), entry(3)], {2: error})
    assert transaction.set_aside == [
        {
            "position": 2,
            "event_type": "export.cancelled",
            "subject": "sealbook.log.3.export.cancelled.j",
            "reason": reason,
        }
    ]
    assert "review_v3 cannot apply 1 events, at 2" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize("state", ["08006", "40P01", "42501", "42P01", "53100", "57P01", None])
def test_the_servers_trouble_is_no_events_fault(state: str | None) -> None:
    transaction, projector = Transaction(), Applies({2: refused(state)})
    with pytest.raises(DBAPIError):
        commit_batch(
            cast("Connection", transaction),
            cast("Projector", projector),
            cast("Generation", Here()),
            0,
            [entry(1), entry(2)],
        )
    assert transaction.set_aside == []
    assert projector.tried == [[1, 2]]


def test_a_defect_of_another_kind_stops_the_batch() -> None:
    with pytest.raises(RuntimeError):
        committed([entry(1), entry(2)], {1: RuntimeError()})


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "sealbook.log.x.export.cancelled.j"},
        {"subject": "sealbook.log..export.cancelled.j"},
        {"subject": "sealbook.log.foreign"},
        {"headers": {}},
        {"headers": {"ce-type": "export.exploded", "ce-dataversion": "1"}},
        {"headers": {"ce-type": "export.cancelled", "ce-dataversion": "99"}},
        {"body": CANARY.encode()},
        {"body": b""},
    ],
)
def test_what_cannot_be_read_is_set_aside_and_the_rest_is_applied(changes: dict[str, Any]) -> None:
    entries = [entry(1), entry(2, **changes), entry(3)]
    transaction, projector, position = committed(entries)
    assert projector.tried == [[1, 3]]
    assert [row["position"] for row in transaction.set_aside] == [2]
    assert (transaction.checkpoint, position) == ([(0, 3, 3)], 3)
    if "subject" in changes:
        assert transaction.set_aside[0]["reason"] == "Its subject has no partition."
    else:
        assert CANARY not in transaction.set_aside[0]["reason"]


def test_positions_without_an_event_of_ours_are_skipped() -> None:
    transaction = Transaction()
    skip_to(cast("Connection", transaction), cast("Generation", Here()), 4, 9)
    assert transaction.checkpoint == [(4, 9, 0)]
