"""ingest's pipeline with a log, a quarantine and a queue in memory."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

from nats.aio.msg import Msg

from sealbook.contract import subjects
from sealbook.contract.documents import compact
from sealbook.contract.envelope import LogEntry, headers_for
from sealbook.contract.events import InteractionRecorded
from sealbook.errors import (
    InvalidInput,
    Unavailable,
)
from sealbook.runtime.objects import Bucket, Stored
from sealbook.runtime.telemetry import Metrics
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring
from sealbook.sealing.scope import Scope
from sealbook.stream.append import LogWriter, NewEvent
from sealbook.stream.cursor import SubmissionCursor
from services.ingest.claims import Claims
from services.ingest.pipeline import Pipeline
from services.ingest.prepare import Preparation
from services.ingest.price import PriceBook
from services.ingest.quarantine import Quarantine
from services.ingest.receive import Arrival, Rejected
from services.ingest.record import Rules
from services.ingest.redact import Redactor, builtin_rules

CANARY = "canary-7f3a"
STORED = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
RULES = Rules(Redactor(builtin_rules()), PriceBook())
AWAY = Unavailable("away")
INLINE_BYTES = 65_536


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


class Shelf:
    """A bucket in memory; `fails` is what S3 says to every call while it is set."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.stored_at: dict[str, datetime] = {}
        self.fails: Exception | None = None

    def put(self, key: str, content: bytes) -> None:
        self.reach()
        self.objects[key] = content
        self.stored_at[key] = STORED

    def folders(self, prefix: str, *, after: str) -> list[str]:
        self.reach()
        beyond = [key for key in self.objects if key.startswith(prefix) and key > after]
        return sorted({key.removeprefix(prefix).split("/")[0] for key in beyond})

    def listing(self, prefix: str) -> Iterator[Stored]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield Stored(key, self.stored_at[key])

    def remove(self, key: str) -> None:
        self.reach()
        self.objects.pop(key, None)

    def reach(self) -> None:
        if self.fails is not None:
            raise self.fails


def pipeline(
    log: Log,
    held: Held,
    cursor: Cursor | None = None,
    keys: Keys | None = None,
    shelf: Shelf | None = None,
) -> Pipeline:
    return Pipeline(
        cursor=cast("SubmissionCursor", cursor or Cursor()),
        log=cast("LogWriter", log),
        claims=Claims(cast("Bucket", shelf or Shelf()), cast("LogWriter", log), INLINE_BYTES),
        preparation=Preparation(cast("Keyring", keys or Keys()), lambda: RULES),
        quarantine=cast("Quarantine", held),
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
