"""Payload objects that no event claims: found by what the log says, and by nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from pipelines import AWAY, STORED, Log, Shelf, uuid7
from sqlalchemy.dialects import postgresql

from sealbook.contract.envelope import LogEntry
from sealbook.contract.events import Claim, InteractionRecorded
from sealbook.contract.usage import Usage
from sealbook.errors import Unavailable
from sealbook.runtime.database import Database
from sealbook.runtime.objects import Bucket
from sealbook.runtime.telemetry import Metrics
from sealbook.stream.append import LogWriter, NewEvent
from services.ingest.claims import object_key
from services.ingest.orphans import Sweeper, due, interaction_of, orphans

ONE, TWO = uuid7(1), uuid7(2)
LATER = STORED + timedelta(hours=4)


def key(owner: UUID, sha256: str, at: datetime = STORED) -> str:
    return object_key(owner, sha256, at)


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ({ONE: key(ONE, "aa")}, []),
        ({ONE: key(ONE, "bb")}, [key(ONE, "aa")]),
        ({ONE: key(ONE, "aa", LATER)}, [key(ONE, "aa")]),
        ({ONE: None}, [key(ONE, "aa")]),
        # Nobody can tell: it stays.
        ({}, []),
        ({TWO: None}, []),
    ],
)
def test_an_orphan_is_what_its_interaction_is_known_not_to_claim(
    claims: dict[UUID, str | None], found: list[str]
) -> None:
    assert orphans([key(ONE, "aa")], claims) == found


@pytest.mark.parametrize("name", ["payloads/", "payloads/x", "payloads/x/y/z", "exports/a/b.csv"])
def test_what_is_not_ours_is_nobodys_orphan(name: str) -> None:
    assert interaction_of(name) is None
    assert orphans([name], {ONE: None}) == []


@pytest.mark.parametrize(
    ("swept", "at", "hours"),
    [
        (None, "05:59:59", ["2026-01-02T01", "2026-01-02T02"]),
        (None, "06:00:00", ["2026-01-02T01", "2026-01-02T02", "2026-01-02T03"]),
        ("2026-01-02T01", "06:00:00", ["2026-01-02T02", "2026-01-02T03"]),
        ("2026-01-02T03", "06:00:00", []),
        ("2026-01-02T03", "07:00:00", ["2026-01-02T04"]),
    ],
)
def test_an_hour_is_due_once_two_hours_after_its_end(
    swept: str | None, at: str, hours: list[str]
) -> None:
    listed = [f"2026-01-02T0{hour}" for hour in (4, 1, 3, 2)]
    assert due(listed, swept, datetime.fromisoformat(f"2026-01-02T{at}Z")) == hours


class Rows:
    """A database that knows the last hour that was swept, and who sweeps."""

    def __init__(self) -> None:
        self.hour: str | None = None
        self.taken = False

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        return work(self, *args)

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Rows"]:
        yield self

    def begin(self) -> Any:
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def execute(self, query: Any, *_: Any) -> Any:
        compiled = query.compile(dialect=postgresql.dialect())
        if "pg_try_advisory_lock" in str(compiled):
            return self
        if str(compiled).startswith("INSERT"):
            self.hour = compiled.params["hour"]
        return self

    def scalar_one(self) -> bool:
        return not self.taken

    def scalar(self) -> str | None:
        return self.hour


class Swept:
    """A sweeper with what it looks at."""

    def __init__(self) -> None:
        self.shelf, self.log, self.rows, self.metrics = Shelf(), Log(), Rows(), Metrics()
        self.now = self.s3_now = LATER
        self.shelf.age = lambda name: self.s3_now - self.shelf.stored_at[name]  # type: ignore[attr-defined]
        self.log.newest = self._newest  # type: ignore[attr-defined]
        self.log.made_at = self._made_at  # type: ignore[attr-defined]
        self.log_made_at = STORED - timedelta(days=1)
        self.meanwhile: Callable[[], Awaitable[None] | None] = lambda: None
        self.sweeper = Sweeper(
            cast("Bucket", self.shelf),
            cast("LogWriter", self.log),
            cast("Database", self.rows),
            self.metrics,
            clock=lambda: self.now,
            second_look_s=0,
        )

    async def _newest(self) -> int:
        self.meanwhile()
        return 1

    async def _made_at(self) -> datetime:
        return self.log_made_at

    def put(self, owner: UUID, sha256: str, at: datetime = STORED) -> str:
        name = key(owner, sha256, at)
        self.shelf.put(name, b"x")
        self.shelf.stored_at[name] = at
        return name

    def claim(self, owner: UUID, name: str | None) -> None:
        claim = Claim(object_key=name, size_bytes=1, sha256="aa", key_id=ONE) if name else None
        event = InteractionRecorded(
            id=owner,
            project="support",
            provider="p",
            model="m",
            kind="chat",
            status="success",
            usage=Usage(),
            occurred_at=STORED,
            policy_version="p",
            fingerprint="f",
            sealed=None if claim else b"s",
            claim=claim,
        )
        self.log.events[owner] = NewEvent(event, 0, str(owner), STORED)

    @property
    def removed(self) -> float:
        return self.metrics.registry.get_sample_value("sealbook_ingest_orphans_total") or 0.0


@pytest.fixture
def swept() -> Swept:
    return Swept()


async def test_what_no_event_claims_is_removed_and_counted_and_the_rest_stays(swept: Swept) -> None:
    kept = swept.put(ONE, "aa")
    swept.put(ONE, "bb")
    swept.put(TWO, "cc")
    swept.claim(ONE, kept)
    inline = uuid7(3)
    swept.put(inline, "dd")
    swept.claim(inline, None)
    assert await swept.sweeper.sweep() == 3
    assert list(swept.shelf.objects) == [kept]
    assert (swept.removed, swept.rows.hour) == (3, "2026-01-02T03")


async def test_an_hour_is_looked_at_once(swept: Swept) -> None:
    swept.put(ONE, "aa")
    assert await swept.sweeper.sweep() == 1
    late = swept.put(ONE, "bb")
    assert await swept.sweeper.sweep() == 0
    assert late in swept.shelf.objects


async def test_what_is_young_stays_and_its_hour_is_looked_at_again(swept: Swept) -> None:
    young = swept.put(ONE, "aa", LATER)
    assert await swept.sweeper.sweep() == 0
    # The process that named it had a clock that was hours behind.
    backdated = swept.put(TWO, "bb")
    swept.shelf.stored_at[backdated] = LATER - timedelta(minutes=119)
    assert await swept.sweeper.sweep() == 0
    assert swept.shelf.objects.keys() == {young, backdated}
    assert swept.rows.hour is None
    swept.s3_now += timedelta(minutes=1)
    assert await swept.sweeper.sweep() == 1
    swept.now = swept.s3_now = LATER + timedelta(hours=4)
    assert await swept.sweeper.sweep() == 1
    assert swept.shelf.objects == {}


async def test_a_sweeper_whose_clock_is_ahead_takes_nothing_that_is_young(swept: Swept) -> None:
    young = swept.put(ONE, "aa", LATER - timedelta(minutes=1))
    swept.now = LATER + timedelta(days=1)
    assert await swept.sweeper.sweep() == 0
    assert (list(swept.shelf.objects), swept.rows.hour) == ([young], None)


async def test_a_new_log_beside_an_old_bucket_judges_nothing_that_is_older(swept: Swept) -> None:
    """As after a disaster, until the log's backup is restored."""
    older = swept.put(ONE, "aa")
    swept.log_made_at = STORED + timedelta(seconds=1)
    swept.put(TWO, "bb")
    newer = key(TWO, "bb")
    swept.shelf.stored_at[newer] = STORED + timedelta(seconds=1)
    assert await swept.sweeper.sweep() == 1
    assert list(swept.shelf.objects) == [older]


async def test_where_the_log_cannot_be_read_nothing_is_removed(
    swept: Swept, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise AWAY

    swept.put(ONE, "aa")
    for call in ("last", "newest"):
        with monkeypatch.context() as patched:
            patched.setattr(swept.log, call, away)
            with pytest.raises(Unavailable):
                await swept.sweeper.sweep()
    assert (len(swept.shelf.objects), swept.rows.hour) == (1, None)
    assert await swept.sweeper.sweep() == 1


async def test_an_event_that_nobody_can_read_keeps_its_object(
    swept: Swept, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreadable(subject: str) -> LogEntry:
        return LogEntry(1, subject, {"ce-type": "interaction.recorded"}, b"{")

    swept.put(ONE, "aa")
    monkeypatch.setattr(swept.log, "last", unreadable)
    assert await swept.sweeper.sweep() == 0
    assert len(swept.shelf.objects) == 1


async def test_an_event_that_comes_at_the_last_moment_keeps_its_object(swept: Swept) -> None:
    kept = swept.put(ONE, "aa")
    swept.meanwhile = lambda: swept.claim(ONE, kept)
    assert await swept.sweeper.sweep() == 0
    assert list(swept.shelf.objects) == [kept]


async def test_one_process_sweeps_at_a_time(swept: Swept) -> None:
    swept.put(ONE, "aa")
    swept.rows.taken = True
    assert await swept.sweeper.sweep() == 0
    assert len(swept.shelf.objects) == 1


async def test_s3_away_in_the_middle_goes_on_where_it_was(swept: Swept) -> None:
    swept.put(ONE, "aa", STORED - timedelta(hours=1))
    swept.put(TWO, "bb")
    remove = swept.shelf.remove

    def fails_at_the_second(name: str) -> None:
        if swept.removed:
            raise AWAY
        remove(name)

    swept.shelf.remove = fails_at_the_second  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await swept.sweeper.sweep()
    assert swept.rows.hour == "2026-01-02T02"
    swept.shelf.remove = remove  # type: ignore[method-assign]
    assert await swept.sweeper.sweep() == 1
    assert swept.removed == 2
