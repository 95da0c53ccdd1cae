"""export with a log, a database and an S3 in memory, and jobs to give it."""

import json
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from sqlalchemy.dialects import postgresql

from sealbook.contract import subjects
from sealbook.contract.commands import ExportRequest
from sealbook.contract.documents import compact
from sealbook.contract.envelope import LogEntry, headers_for
from sealbook.contract.events import Event
from sealbook.errors import Unavailable
from sealbook.runtime.authorization import parse_policy
from sealbook.runtime.process import Process
from sealbook.runtime.telemetry import Metrics
from sealbook.runtime.users import Users
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring
from sealbook.sealing.scope import Scope
from sealbook.stream.append import LogWriter, NewEvent
from sealbook.stream.atomic import WrongSequence
from services.export.commands import ExportCommands
from services.export.file import ExportFile
from services.export.job import Job
from services.export.life import Life, Written
from services.export.worker import Message, Worker

CANARY = "canary-7f3a"
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
KEY = DataKey(UUID(int=1), b"k" * 32)
POLICY = {
    "alice": {"exporter": ["support"]},
    "bob": {"exporter": ["*"]},
    "dora": {"exporter": ["support", "sales"]},
    "carol": {"reader": ["*"]},
    "root": {"administrator": ["*"]},
}


class Keys:
    async def for_scopes(self, scopes: Collection[Scope]) -> dict[Scope, DataKey]:
        return dict.fromkeys(scopes, KEY)


class Log:
    """Appends with compare-and-set, as the stream does."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []
        self.events: list[Event] = []
        self.ends_at = 100
        self.asked_at: list[datetime | str] = []
        self.away = False

    async def append(self, new: NewEvent, *, expected: tuple[int, str] | None = None) -> int:
        if self.away:
            raise Unavailable("away")
        if expected is not None:
            last = await self.last(expected[1])
            if (last.position if last else 0) != expected[0]:
                raise WrongSequence("no")
        event = new.event
        headers = headers_for(
            event, event_id=new.event_id, source="s", subject=event.key, time=new.time
        )
        subject = subjects.event(new.partition, event.type, event.key)
        position = len(self.entries) + 1
        self.entries.append(LogEntry(position, subject, headers, event.model_dump_json().encode()))
        self.events.append(event)
        return position

    async def last(self, pattern: str) -> LogEntry | None:
        wanted = pattern.split(".")
        for entry in reversed(self.entries):
            given = entry.subject.split(".")
            if all(one in ("*", other) for one, other in zip(wanted, given, strict=True)):
                return entry
        return None

    async def position_at(self, moment: datetime) -> int:
        self.asked_at.append(moment)
        return self.ends_at

    async def newest(self) -> int:
        self.asked_at.append("newest")
        return self.ends_at

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]


class Database:
    """review stands at `reached`, position by position; the newest event to show at `newest`."""

    def __init__(self) -> None:
        self.reached = [100]
        self.newest = 90
        self.row: Any = None
        self.written: list[str] = []
        self.meanwhile: Callable[[], Awaitable[Any]] | None = None

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        if isinstance(file := getattr(work, "__self__", None), ExportFile):
            return await self._write(file._job)
        return self.row if args else work(self)

    async def _write(self, of: Job) -> Written:
        """A file that stands; `meanwhile` is what others do until then, or what goes wrong."""
        self.written.append(of.object_key)
        if self.meanwhile is not None:
            await self.meanwhile()
        return Written(of.object_key, 1, 2, "s", False)

    def execute(self, query: Any) -> Any:
        text = str(query.compile(dialect=postgresql.dialect()))
        if "greatest" in text:
            return SimpleNamespace(scalar_one=lambda: self.newest)
        assert "review.position" in text
        reached = self.reached.pop(0) if len(self.reached) > 1 else self.reached[0]
        return SimpleNamespace(scalar_one=lambda: reached)


class Service:
    """export with a log, a database and an S3 in memory."""

    def __init__(self) -> None:
        self.log, self.database = Log(), Database()
        self.jobs: list[tuple[str, dict[str, Any]]] = []
        self.links: list[str] = []
        self.removed: list[tuple[str, str]] = []
        self.removal_fails: Exception | None = None
        self.notices: list[tuple[str, Any]] = []
        self.refusals: list[tuple[str, str, str | None]] = []
        self.process = cast(
            "Process",
            SimpleNamespace(
                client=self,
                log=cast("LogWriter", self.log),
                database=self.database,
                policy=parse_policy({"actors": POLICY}),
                partition=lambda key: 3,
                metrics=Metrics(),
                settings=SimpleNamespace(s3_bucket="sealbook"),
                audit_refusal=self._audit_refusal,
            ),
        )
        self.max_payload = 10**6
        keyring = cast("Keyring", Keys())
        self.life = Life(self.process, keyring)
        users = cast("Users", self)
        self.worker = Worker(self.process, keyring, users, self.life, cast("Any", self))
        self.commands = ExportCommands(self.process, self.worker)

    async def _audit_refusal(
        self, actor: str, action: str, *, project: str | None = None, resource: str | None = None
    ) -> None:
        self.refusals.append((actor, action, project))

    async def request(self, subject: str, body: bytes, **_: Any) -> SimpleNamespace:
        self.jobs.append((subject, json.loads(body)))
        return SimpleNamespace(data=b'{"seq": 1}')

    async def hash_for(self, wanted: Any) -> None:
        return None

    async def publish(self, subject: str, body: bytes) -> None:
        self.notices.append((subject, json.loads(body)))

    def remove_object(self, bucket: str, key: str) -> None:
        if self.removal_fails is not None:
            raise self.removal_fails
        self.removed.append((bucket, key))

    def presigned_get_object(self, bucket: str, key: str, **_: Any) -> str:
        # Nobody gets a link before it is on the record.
        assert self.log.types[-1:] == ["download.issued"]
        self.links.append(key)
        return f"https://s3/{key}"


def asked(**fields: Any) -> ExportRequest:
    return ExportRequest.read(compact({"filter": {"project": "support"}} | fields))


SUPPORT = frozenset({"support"})


def job(**fields: Any) -> Job:
    return Job("alice", asked(**{"as_of": 7} | fields), SUPPORT)


def sent(actor: str = "alice", sequence: int = 7, **fields: Any) -> Message:
    body = compact({"filter": {"project": "support"}} | fields)
    return Message(actor, body, sequence, AT)
