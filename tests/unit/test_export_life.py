"""The life of an export: resolved by the time it was asked, one end, downloads on the record."""

import json
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy.dialects import postgresql

from sealbook.contract import subjects
from sealbook.contract.commands import ExportCommand, ExportRequest
from sealbook.contract.documents import compact
from sealbook.contract.envelope import LogEntry, headers_for
from sealbook.contract.events import (
    EVENT_TYPES,
    DownloadIssued,
    Event,
    ExportCancelled,
    ExportCompleted,
    ExportFailed,
    ExportRequested,
)
from sealbook.errors import Conflict, InvalidInput, NotFound, Refused, Unavailable
from sealbook.projection import waiting
from sealbook.runtime.authorization import parse_policy
from sealbook.runtime.process import Process
from sealbook.runtime.telemetry import Metrics
from sealbook.runtime.users import Users
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring, Scope
from sealbook.stream.append import LogWriter, NewEvent
from sealbook.stream.atomic import WrongSequence
from services.export.commands import ExportCommands
from services.export.job import Job
from services.export.life import Life
from services.export.selection import newest_position
from services.export.table import ExportProjector
from services.export.worker import Message, Worker

CANARY = "canary-7f3a"
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
JOB = "0123456789abcdef0123456789abcdef"
KEY = DataKey(UUID(int=1), b"k" * 32)
POLICY = {
    "alice": {"exporter": ["support"]},
    "bob": {"exporter": ["*"]},
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
        self.asked_at: list[datetime] = []
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

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]


class Database:
    """review stands at `reached`, position by position; the newest event to show at `newest`."""

    def __init__(self) -> None:
        self.reached = [100]
        self.newest = 90
        self.row: Any = None

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        return self.row if args else work(self)

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
        users = cast("Users", SimpleNamespace())
        self.worker = Worker(self.process, keyring, users, self.life, cast("Any", self))
        self.commands = ExportCommands(self.process, self.worker)

    async def _audit_refusal(
        self, actor: str, action: str, *, project: str | None = None, resource: str | None = None
    ) -> None:
        self.refusals.append((actor, action, project))

    async def request(self, subject: str, body: bytes, **_: Any) -> SimpleNamespace:
        self.jobs.append((subject, json.loads(body)))
        return SimpleNamespace(data=b'{"seq": 1}')

    def presigned_get_object(self, bucket: str, key: str, **_: Any) -> str:
        # Nobody gets a link before it is on the record.
        assert self.log.types[-1:] == ["download.issued"]
        self.links.append(key)
        return f"https://s3/{key}"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(waiting, "STEPS_SECONDS", (0, 0, 0))
    return Service()


def asked(**fields: Any) -> ExportRequest:
    return ExportRequest.read(compact({"filter": {"project": "support"}} | fields))


def job(**fields: Any) -> Job:
    return Job("alice", asked(**{"as_of": 7} | fields))


async def test_a_request_is_resolved_at_the_time_it_was_asked(service: Service) -> None:
    resolved = await service.worker.resolve(asked(), AT)
    assert service.log.asked_at == [AT]
    assert resolved == asked(as_of=90)
    # The same whenever it is resolved again, whatever came since.
    assert await service.worker.resolve(asked(), AT) == resolved


async def test_a_chosen_position_stays_and_must_have_been_reached(service: Service) -> None:
    assert (await service.worker.resolve(asked(as_of=100), AT)).as_of == 100
    with pytest.raises(InvalidInput, match="101 lies ahead of the log, which ended at 100"):
        await service.worker.resolve(asked(as_of=101), AT)


async def test_a_request_waits_for_the_projection_to_get_there(service: Service) -> None:
    service.database.reached = [98, 99, 100]
    assert (await service.worker.resolve(asked(), AT)).as_of == 90
    service.database.reached = [4, 5]
    assert (await service.worker.resolve(asked(as_of=5), AT)).as_of == 5


async def test_a_request_waits_for_its_own_position_and_no_further(service: Service) -> None:
    service.database.reached = [0]
    assert (await service.worker.resolve(asked(as_of=0), AT)).as_of == 0
    service.database.reached = [41]
    assert (await service.worker.resolve(asked(as_of=41), AT)).as_of == 41
    with pytest.raises(Unavailable):
        await service.worker.resolve(asked(as_of=42), AT)


async def test_where_the_projection_does_not_get_there_it_is_tried_again_later(
    service: Service,
) -> None:
    service.database.reached = [99]
    with pytest.raises(Unavailable, match="has not caught up with the log") as caught:
        await service.worker.resolve(asked(), AT)
    assert caught.value.retryable
    message = Message("alice", compact({"filter": {"project": "support"}}), 7, AT)
    with pytest.raises(Unavailable):
        await service.worker.handle(message)
    assert service.log.types == []


async def test_a_message_is_resolved_by_its_own_time_and_delivered_again_is_the_same_job(
    service: Service,
) -> None:
    made = job(as_of=90)
    await service.life.request(made)
    stage = await service.life.stage(made.id)
    assert stage is not None
    await service.life.cancel(made.id, "alice", stage)
    for _ in range(2):
        await service.worker.handle(Message("alice", asked().model_dump_json().encode(), 7, AT))
    assert service.log.asked_at == [AT, AT]
    assert service.log.types == ["export.requested", "export.cancelled"]


@pytest.mark.parametrize(
    ("actor", "body", "code"),
    [
        ("alice", b"no JSON " + CANARY.encode(), "invalid"),
        ("alice", compact({"filter": {"project": "support"}, "as_of": 101}), "invalid"),
        ("alice", compact({"filter": {"project": "sales"}}), "refused"),
        ("carol", compact({"filter": {"project": "support"}}), "refused"),
    ],
)
async def test_a_message_that_cannot_become_a_job_fails_on_the_record_for_good(
    service: Service, actor: str, body: bytes, code: str
) -> None:
    for _ in range(2):
        await service.worker.handle(Message(actor, body, 7, AT))
    (event,) = service.log.events
    assert isinstance(event, ExportFailed)
    assert (event.job_id, event.actor, event.error_code) == (f"{7:032x}", actor, code)
    assert CANARY not in event.model_dump_json()
    assert [one[0] for one in service.refusals] == ([actor] * 2 if code == "refused" else [])


async def test_a_defect_does_not_come_back_for_ever(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async def stumble(moment: datetime) -> int:
        raise RuntimeError(CANARY)

    service.log.position_at = stumble  # type: ignore[method-assign]
    await service.worker.handle(
        Message("alice", compact({"filter": {"project": "support"}}), 7, AT)
    )
    (event,) = service.log.events
    assert isinstance(event, ExportFailed)
    assert (event.error_code, event.retryable) == ("internal", False)
    assert CANARY not in caplog.text


async def test_a_repeated_request_is_the_job_it_was_and_its_stage(service: Service) -> None:
    first = await service.life.request(job(idempotency_key="k"))
    assert (first.position, first.event.type) == (1, "export.requested")
    again = await service.life.request(job(idempotency_key="k", as_of=99))
    assert again == first
    assert isinstance(first.event, ExportRequested)
    assert await service.life.requested_job(first.event) == job(idempotency_key="k")
    assert len(service.log.events) == 1


async def test_an_idempotency_key_stands_for_one_request(service: Service) -> None:
    await service.life.request(job(idempotency_key="k"))
    with pytest.raises(Conflict, match="was used for another request"):
        await service.life.request(job(idempotency_key="k", format="ndjson"))
    assert len(service.log.events) == 1


async def test_what_failed_can_be_requested_again_and_what_ended_otherwise_not(
    service: Service,
) -> None:
    stage = await service.life.request(job())
    await service.life.fail(job().id, "alice", Unavailable("away"), stage, b"")
    failed = await service.life.request(job())
    assert (failed.position, failed.event.type) == (2, "export.failed")
    again = await service.life.request(job(), after=failed.position)
    assert (again.position, again.event.type) == (3, "export.requested")
    end = await service.life.cancel(job().id, "alice", again)
    assert isinstance(end, ExportCancelled)
    assert (await service.life.request(job(), after=failed.position)).event == end


async def test_a_command_requests_a_failed_job_again_and_sends_what_is_on_the_record(
    service: Service,
) -> None:
    reply = await service.commands.request("alice", asked())
    assert reply == {"job_id": job(as_of=90).id, "position": 90}
    stage = await service.life.stage(reply["job_id"])
    await service.life.fail(reply["job_id"], "alice", Unavailable("away"), stage, b"")
    assert await service.commands.request("alice", asked()) == reply
    assert service.log.types == ["export.requested", "export.failed", "export.requested"]
    sent = json.loads(job(as_of=90).request_body())
    assert service.jobs == [("sealbook.job.export.alice", sent)] * 2


async def test_an_ended_job_is_not_sent_again(service: Service) -> None:
    reply = await service.commands.request("alice", asked())
    stage = await service.life.stage(reply["job_id"])
    assert stage is not None
    await service.life.cancel(reply["job_id"], "alice", stage)
    assert await service.commands.request("alice", asked()) == reply
    assert len(service.jobs) == 1


async def test_an_event_of_a_job_has_one_id(service: Service) -> None:
    stage = await service.life.request(job())
    await service.life.cancel(job().id, "alice", stage)
    for entry, event in zip(service.log.entries, service.log.events, strict=True):
        assert entry.headers["ce-id"] == str(event.id)  # type: ignore[attr-defined]


def completed(actor: str = "alice", state: str = "completed") -> SimpleNamespace:
    return SimpleNamespace(
        actor=actor, project="support", state=state, object_key="exports/j/f.csv", rows=1,
        size_bytes=2, sha256="s",
    )  # fmt: skip


@pytest.mark.parametrize("actor", ["alice", "root"])
async def test_a_download_is_on_the_record_before_the_link_is_made(
    service: Service, actor: str
) -> None:
    service.database.row = completed()
    reply = await service.commands.download(actor, ExportCommand(job_id=JOB))
    assert (reply["url"], reply["filename"]) == ("https://s3/exports/j/f.csv", "f.csv")
    (event,) = service.log.events
    assert isinstance(event, DownloadIssued)
    assert (event.job_id, event.actor) == (JOB, actor)
    assert event.issued_at.tzinfo is not None
    assert service.log.entries[0].subject == f"sealbook.log.3.download.issued.{JOB}"


async def test_without_the_record_there_is_no_link(service: Service) -> None:
    service.database.row = completed()
    service.log.away = True
    with pytest.raises(Unavailable):
        await service.commands.download("alice", ExportCommand(job_id=JOB))
    assert service.links == []


@pytest.mark.parametrize(
    ("actor", "row", "error"),
    [
        ("bob", completed(), Refused),
        ("carol", completed("carol"), Refused),
        ("alice", completed(state="failed"), NotFound),
    ],
)
async def test_who_gets_no_file_gets_no_link_and_issues_nothing(
    service: Service, actor: str, row: SimpleNamespace, error: type[Exception]
) -> None:
    service.database.row = row
    with pytest.raises(error):
        await service.commands.download(actor, ExportCommand(job_id=JOB))
    assert (service.links, service.log.events) == ([], [])


async def test_a_download_does_not_end_or_change_the_job(service: Service) -> None:
    stage = await service.life.request(job())
    await service.life.tell_download(job().id, "alice")
    assert await service.life.stage(job().id) == stage


def test_exports_own_projection_reads_the_lives_of_jobs_and_nothing_else() -> None:
    lives = {ExportRequested, ExportCompleted, ExportFailed, ExportCancelled}
    assert set(ExportProjector.event_types) == {event.type for event in lives}
    assert set(ExportProjector.event_types) == {
        name for name in EVENT_TYPES if name.startswith("export.")
    }


def test_the_newest_position_looks_no_further_than_it_may() -> None:
    compiled = newest_position(41).compile(
        dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
    )
    text = " ".join(str(compiled).split())
    for view in ("interaction_v1", "decision_v1"):
        newest = f"max(review.{view}.log_position)"
        assert f"coalesce((SELECT {newest}" in text
        assert f"WHERE review.{view}.log_position <= 41" in text


class Reads:
    """A client whose log was asked for entries; answers as a direct get does."""

    def __init__(self, later: int | None, newest: int) -> None:
        self._later, self._newest = later, newest
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def request(self, subject: str, body: bytes, **_: Any) -> SimpleNamespace:
        self.asked.append((subject, json.loads(body)))
        if "STREAM.INFO" in subject:
            return SimpleNamespace(data=compact({"state": {"last_seq": self._newest}}))
        headers = {"Nats-Sequence": str(self._later), "Nats-Subject": "s"} if self._later else {}
        return SimpleNamespace(data=b"{}", headers=headers)


@pytest.mark.parametrize(("later", "position"), [(None, 50), (51, 50), (41, 40), (1, 0)])
async def test_the_position_at_a_time_is_that_before_the_first_later_entry(
    later: int | None, position: int
) -> None:
    client = Reads(later, newest=50)
    moment = AT.astimezone(timezone(timedelta(hours=2)))
    assert await LogWriter(cast("Any", client), "export").position_at(moment) == position
    # The end of the log is read first: what comes in between counts as later.
    assert [subject for subject, _ in client.asked] == [
        "$JS.API.STREAM.INFO.SEALBOOK_LOG",
        "$JS.API.DIRECT.GET.SEALBOOK_LOG",
    ]
    assert client.asked[1][1] == {
        "start_time": "2026-01-02T03:04:05.678901Z",
        "next_by_subj": "sealbook.log.>",
    }
