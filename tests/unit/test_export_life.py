"""The life of an export: resolved by the time it was asked, one end, downloads on the record."""

import json
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from minio.error import S3Error
from sqlalchemy.dialects import postgresql
from urllib3.exceptions import HTTPError, ProtocolError

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
from sealbook.errors import (
    Conflict,
    InvalidInput,
    KeyUnavailable,
    Misconfigured,
    NotFound,
    Refused,
    SealbookError,
    SealBroken,
    Unavailable,
)
from sealbook.projection import waiting
from sealbook.runtime.authorization import parse_policy
from sealbook.runtime.process import Process
from sealbook.runtime.telemetry import Metrics
from sealbook.runtime.users import Users
from sealbook.sealing import cipher
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring, Scope
from sealbook.stream.append import LogWriter, NewEvent
from sealbook.stream.atomic import WrongSequence
from services.export.commands import ExportCommands
from services.export.file import ExportFile
from services.export.job import Job
from services.export.life import Life, Written, _binding
from services.export.selection import newest_position, statement
from services.export.table import ExportProjector, _row
from services.export.worker import KEPT_BYTES, Message, Worker

CANARY = "canary-7f3a"
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
JOB = "0123456789abcdef0123456789abcdef"
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


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(waiting, "STEPS_SECONDS", (0, 0, 0))
    return Service()


def asked(**fields: Any) -> ExportRequest:
    return ExportRequest.read(compact({"filter": {"project": "support"}} | fields))


SUPPORT = frozenset({"support"})


def job(**fields: Any) -> Job:
    return Job("alice", asked(**{"as_of": 7} | fields), SUPPORT)


def sent(actor: str = "alice", sequence: int = 7, **fields: Any) -> Message:
    body = compact({"filter": {"project": "support"}} | fields)
    return Message(actor, body, sequence, AT)


def message_of(one: Job) -> Message:
    """As `export.request` sends it."""
    return Message(one.actor, one.request_body(), 7, AT, one.id)


def kept(event: Event) -> bytes:
    """What stands under the seal of an event."""
    assert isinstance(event, ExportFailed)
    return cipher.unseal(KEY, event.sealed, _binding(event))


async def test_a_request_is_resolved_to_the_newest_event_it_could_show(service: Service) -> None:
    resolved = await service.worker.resolve(asked(), 100)
    assert resolved == asked(as_of=90)
    # The same whenever it is resolved again, whatever came since.
    service.log.ends_at = 200
    assert await service.worker.resolve(asked(), 100) == resolved
    # It goes by what it was given: nobody is asked where the log ends.
    assert service.log.asked_at == []


async def test_a_chosen_position_stays_and_must_have_been_reached(service: Service) -> None:
    assert (await service.worker.resolve(asked(as_of=100), 100)).as_of == 100
    with pytest.raises(InvalidInput, match="101 lies ahead of the log, which ends at 100"):
        await service.worker.resolve(asked(as_of=101), 100)


async def test_a_request_waits_for_the_projection_to_get_there(service: Service) -> None:
    service.database.reached = [98, 99, 100]
    assert (await service.worker.resolve(asked(), 100)).as_of == 90
    service.database.reached = [4, 5]
    assert (await service.worker.resolve(asked(as_of=5), 100)).as_of == 5


async def test_a_request_waits_for_its_own_position_and_no_further(service: Service) -> None:
    service.database.reached = [0]
    assert (await service.worker.resolve(asked(as_of=0), 100)).as_of == 0
    service.database.reached = [41]
    assert (await service.worker.resolve(asked(as_of=41), 100)).as_of == 41
    with pytest.raises(Unavailable):
        await service.worker.resolve(asked(as_of=42), 100)


async def test_where_the_projection_does_not_get_there_it_is_tried_again_later(
    service: Service,
) -> None:
    service.database.reached = [99]
    with pytest.raises(Unavailable, match="has not caught up with the log") as caught:
        await service.worker.resolve(asked(), 100)
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


async def test_a_message_with_a_position_may_name_what_came_after_it_was_sent(
    service: Service,
) -> None:
    async def before(moment: datetime) -> int:
        raise AssertionError("its position is its own")

    service.log.position_at = before  # type: ignore[method-assign]
    await service.worker.handle(sent(as_of=100))
    assert service.log.asked_at == ["newest"]
    assert service.log.types == ["export.requested", "export.completed"]
    completed_event = service.log.events[-1]
    assert isinstance(completed_event, ExportCompleted)
    assert (completed_event.job_id, completed_event.position) == (job(as_of=100).id, 100)


async def test_a_command_is_resolved_at_the_end_of_the_log(service: Service) -> None:
    await service.commands.request("alice", asked())
    await service.commands.request("alice", asked(as_of=100))
    assert service.log.asked_at == ["newest", "newest"]
    with pytest.raises(InvalidInput, match="101 lies ahead of the log, which ends at 100"):
        await service.commands.request("alice", asked(as_of=101))


@pytest.mark.parametrize(
    ("actor", "project", "projects"),
    [
        ("alice", "support", ("support",)),
        ("alice", None, ("support",)),
        ("dora", None, ("sales", "support")),
        ("bob", None, None),
        ("bob", "support", None),
    ],
)
@pytest.mark.parametrize("way", ["message", "command"])
async def test_a_job_holds_the_projects_its_actor_could_export_when_it_asked(
    service: Service, way: str, actor: str, project: str | None, projects: tuple[str, ...] | None
) -> None:
    request = asked(filter={"project": project} if project else {})
    if way == "message":
        await service.worker.handle(Message(actor, request.model_dump_json().encode(), 7, AT))
    else:
        await service.commands.request(actor, request)
    event = service.log.events[0]
    assert isinstance(event, ExportRequested)
    assert (event.project, event.projects) == (project, projects)
    made = await service.life.requested_job(event)
    assert made.projects == (None if projects is None else frozenset(projects))
    assert made.id == event.job_id
    # The list on record is that of the file and of who may download it.
    assert _row(event)["projects"] == (None if projects is None else list(projects))


async def test_the_file_holds_the_projects_on_record_whatever_is_allowed_by_then(
    service: Service,
) -> None:
    stage = await service.life.request(job())
    service.process.policy = parse_policy({"actors": {"alice": {"exporter": ["*"]}}})  # type: ignore[misc]
    assert isinstance(stage.event, ExportRequested)
    made = await service.life.requested_job(stage.event)
    assert made == job()
    text = str(
        statement(made, None).compile(
            dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
        )
    )
    assert "project IN ('support')" in text
    text = str(statement(replace(made, projects=None), None).compile(dialect=postgresql.dialect()))
    assert "project IN" not in text


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


@pytest.mark.parametrize("size", [KEPT_BYTES - 1, KEPT_BYTES, KEPT_BYTES + 1, 10**6])
async def test_of_a_refused_message_so_much_is_kept_and_under_the_seal(
    service: Service, size: int
) -> None:
    assert KEPT_BYTES == 65_536
    body = CANARY.encode().ljust(size - 1, b".") + b"!"
    await service.worker.handle(Message("alice", body, 7, AT))
    (event,) = service.log.events
    _, _, content = kept(event).partition(b"\n")
    assert content == body[:65_536]


def broken(error: Exception) -> Callable[..., Awaitable[Any]]:
    async def fail(*_: Any) -> Any:
        raise error

    return fail


DEFECTS = [(RuntimeError(CANARY), "internal"), (SealBroken("x"), "seal_broken")]
DEFECTS += [(KeyUnavailable("x"), "key_unavailable"), (InvalidInput("x"), "invalid")]


async def ended_as(service: Service, made: Job) -> tuple[str, str]:
    stage = await service.life.stage(made.id)
    assert stage is not None
    assert isinstance(stage.event, ExportFailed)
    return stage.event.job_id, stage.event.error_code


@pytest.mark.parametrize("left", [{}, {"alice": {"reader": ["support"]}}])
async def test_rights_lost_since_the_request_fail_the_job_on_the_record(
    service: Service, left: dict[str, Any]
) -> None:
    made = job()
    await service.life.request(made)
    service.process.policy = parse_policy({"actors": left})  # type: ignore[misc]
    for _ in range(2):
        await service.worker.handle(message_of(made))
    assert await ended_as(service, made) == (made.id, "refused")
    assert [actor for actor, *_ in service.refusals] == ["alice"]
    assert service.database.written == []


async def test_rights_narrowed_since_the_request_fail_the_job_rather_than_make_another(
    service: Service,
) -> None:
    made = Job("dora", ExportRequest.read(b'{"as_of": 7}'), frozenset({"support", "sales"}))
    await service.life.request(made)
    service.process.policy = parse_policy(  # type: ignore[misc]
        {"actors": {"dora": {"exporter": ["support"]}}}
    )
    await service.worker.handle(message_of(made))
    assert await ended_as(service, made) == (made.id, "refused")
    assert {event.key for event in service.log.events} == {made.id}


async def test_a_message_that_names_the_job_of_another_is_judged_by_its_own_body(
    service: Service,
) -> None:
    made = Job("bob", asked(as_of=7))
    await service.life.request(made)
    await service.worker.handle(Message("carol", made.request_body(), 7, AT, made.id))
    stage = await service.life.stage(made.id)
    assert stage is not None
    assert stage.event.type == "export.requested"
    refused = service.log.events[-1]
    assert isinstance(refused, ExportFailed)
    assert (refused.job_id, refused.actor, refused.error_code) == (f"{7:032x}", "carol", "refused")
    assert service.database.written == []


async def test_a_message_with_the_key_of_another_request_leaves_the_first_job_alone(
    service: Service,
) -> None:
    made = job(idempotency_key="k")
    await service.life.request(made)
    other = asked(idempotency_key="k", as_of=7, format="ndjson")
    await service.worker.handle(Message("alice", Job("alice", other).request_body(), 8, AT))
    stage = await service.life.stage(made.id)
    assert stage is not None
    assert stage.event.type == "export.requested"
    refused = service.log.events[-1]
    assert isinstance(refused, ExportFailed)
    assert (refused.job_id, refused.error_code) == (f"{8:032x}", "conflict")


@pytest.mark.parametrize("error", [Misconfigured("x"), Unavailable("x")])
async def test_what_an_operator_can_mend_waits_while_a_message_is_accepted(
    service: Service, error: SealbookError
) -> None:
    service.log.newest = broken(error)  # type: ignore[method-assign]
    with pytest.raises(type(error)) as caught:
        await service.worker.handle(Message("alice", job().request_body(), 7, AT))
    assert caught.value is error
    assert service.log.types == []
    assert (service.removed, service.database.written) == ([], [])


@pytest.mark.parametrize(
    ("error", "code"), [*DEFECTS, (Misconfigured("x"), "misconfigured")],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
async def test_what_cannot_be_written_fails_the_job_even_for_a_wrong_setting(
    service: Service, error: Exception, code: str
) -> None:
    service.database.meanwhile = broken(error)
    await service.worker.handle(sent())
    assert service.log.types == ["export.requested", "export.failed"]
    event = service.log.events[-1]
    assert isinstance(event, ExportFailed)
    assert (event.job_id, event.error_code, event.retryable) == (job(as_of=90).id, code, False)


async def test_a_server_away_while_writing_leaves_the_job_as_it_is(service: Service) -> None:
    service.database.meanwhile = broken(Unavailable("away"))
    with pytest.raises(Unavailable):
        await service.worker.handle(sent())
    assert service.log.types == ["export.requested"]
    service.database.meanwhile = None
    await service.worker.handle(sent())
    assert service.log.types == ["export.requested", "export.completed"]


async def test_a_completed_job_keeps_its_file_and_is_told_once(service: Service) -> None:
    for _ in range(2):
        await service.worker.handle(sent())
    made = job(as_of=90)
    assert service.log.types == ["export.requested", "export.completed"]
    assert service.database.written == [made.object_key]
    assert service.removed == []
    assert service.notices == [
        (subjects.notice("export", made.id), {"job_id": made.id, "state": "completed"})
    ]


async def end_as(service: Service, how: str, one: Job) -> None:
    stage = await service.life.stage(one.id)
    assert stage is not None
    if how == "cancelled":
        await service.life.cancel(one.id, one.actor, stage)
    else:
        await service.life.fail(one.id, one.actor, Unavailable("away"), stage, b"")


@pytest.mark.parametrize("how", ["cancelled", "failed"])
async def test_a_file_of_a_job_that_ended_meanwhile_is_removed(service: Service, how: str) -> None:
    made = job(as_of=90)
    service.database.meanwhile = lambda: end_as(service, how, made)
    await service.worker.handle(sent())
    assert service.log.types == ["export.requested", f"export.{how}"]
    assert service.removed == [("sealbook", made.object_key)]
    assert service.notices == [
        (subjects.notice("export", made.id), {"job_id": made.id, "state": how})
    ]


async def test_a_job_requested_again_meanwhile_keeps_its_file(service: Service) -> None:
    made = job(as_of=90)

    async def again() -> None:
        await end_as(service, "failed", made)
        stage = await service.life.stage(made.id)
        assert stage is not None
        await service.life.request(made, after=stage.position)

    service.database.meanwhile = again
    await service.worker.handle(sent())
    # Whoever carries out the second request has put, or puts, its file there.
    assert service.removed == []
    assert service.log.types == ["export.requested", "export.failed", "export.requested"]


@pytest.mark.parametrize("how", ["cancelled", "failed"])
async def test_what_a_killed_worker_left_of_an_ended_job_is_removed(
    service: Service, how: str
) -> None:
    made = job(as_of=90)
    await service.life.request(made)
    await end_as(service, how, made)
    await service.worker.handle(sent())
    assert service.removed == [("sealbook", made.object_key)]
    assert service.database.written == []
    assert service.log.types == ["export.requested", f"export.{how}"]


def s3_says(code: str, status: int) -> S3Error:
    response = cast("Any", SimpleNamespace(status=status))
    return S3Error(response, code, CANARY, "r", "i", "h", "sealbook", "exports/j/f.csv")


@pytest.mark.parametrize(
    "error",
    [HTTPError(CANARY), ProtocolError(CANARY), s3_says("SlowDown", 503), s3_says("Odd", 500)],
    ids=["http", "protocol", "busy", "broken"],
)
@pytest.mark.parametrize("when", ["ended before", "ends meanwhile"])
async def test_without_s3_a_file_is_removed_later(
    service: Service, when: str, error: Exception
) -> None:
    made = job(as_of=90)
    if when == "ended before":
        await service.life.request(made)
        await end_as(service, "cancelled", made)
    else:
        service.database.meanwhile = lambda: end_as(service, "cancelled", made)
    service.removal_fails = error
    with pytest.raises(Unavailable) as caught:
        await service.worker.handle(sent())
    assert CANARY not in str(caught.value)
    service.removal_fails = None
    await service.worker.handle(sent())
    assert service.removed == [("sealbook", made.object_key)]
    assert service.log.types == ["export.requested", "export.cancelled"]


async def test_a_right_that_s3_refuses_is_waited_for_and_fails_no_job_again(
    service: Service,
) -> None:
    made = job(as_of=90)
    await service.life.request(made)
    await end_as(service, "cancelled", made)
    service.removal_fails = s3_says("AccessDenied", 403)
    with pytest.raises(Misconfigured):
        await service.worker.handle(sent())
    assert service.log.types == ["export.requested", "export.cancelled"]


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


def completed(
    actor: str = "alice",
    state: str = "completed",
    project: str | None = "support",
    projects: list[str] | None = None,
) -> SimpleNamespace:
    return SimpleNamespace(
        actor=actor, project=project, projects=projects, state=state,
        object_key="exports/j/f.csv", rows=1, size_bytes=2, sha256="s",
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


@pytest.mark.parametrize(
    ("project", "projects", "today", "allowed"),
    [
        # A file of one project: the right in that one, wherever else there is one or not.
        ("support", ["sales", "support"], ["support"], True),
        ("support", ["sales", "support"], ["sales"], False),
        ("support", None, ["support"], True),
        ("support", None, ["sales"], False),
        # A file of several: the right in each of them.
        (None, ["sales", "support"], ["sales", "support"], True),
        (None, ["sales", "support"], ["sales", "support", "x"], True),
        (None, ["sales", "support"], ["*"], True),
        (None, ["sales", "support"], ["support"], False),
        (None, ["sales", "support"], ["sales"], False),
        (None, ["sales", "support"], ["x"], False),
        # A file of all: the right in all, of today and to come.
        (None, None, ["*"], True),
        (None, None, ["sales", "support"], False),
    ],
)
async def test_a_file_is_given_to_who_may_export_all_it_holds_today(
    service: Service,
    project: str | None,
    projects: list[str] | None,
    today: list[str],
    allowed: bool,
) -> None:
    service.database.row = completed(project=project, projects=projects)
    service.process.policy = parse_policy({"actors": {"alice": {"exporter": today}}})  # type: ignore[misc]
    command = ExportCommand(job_id=JOB)
    if allowed:
        await service.commands.download("alice", command)
        assert service.log.types == ["download.issued"]
        assert service.links == ["exports/j/f.csv"]
    else:
        with pytest.raises(Refused):
            await service.commands.download("alice", command)
        assert (service.links, service.log.events) == ([], [])


@pytest.mark.parametrize("project", [None, "support"])
async def test_who_lost_its_rights_gets_none_of_its_files(
    service: Service, project: str | None
) -> None:
    service.database.row = completed(project=project, projects=["support"])
    service.process.policy = parse_policy({"actors": {"alice": {"reader": ["*"]}}})  # type: ignore[misc]
    with pytest.raises(Refused):
        await service.commands.download("alice", ExportCommand(job_id=JOB))
    assert (service.links, service.log.events) == ([], [])


async def test_a_job_requested_again_forgets_how_it_failed(service: Service) -> None:
    stage = await service.life.request(job())
    failed = await service.life.fail(job().id, "alice", Unavailable("away"), stage, b"")
    again = await service.life.request(job(), after=2)
    assert _row(failed)["error_code"] == "unavailable"
    row = _row(again.event)
    assert (row["state"], row["ended_at"], row["error_code"]) == ("requested", None, None)


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


@pytest.mark.parametrize("newest", [0, 50])
async def test_the_newest_position_is_where_the_log_ends(newest: int) -> None:
    client = Reads(None, newest=newest)
    assert await LogWriter(cast("Any", client), "export").newest() == newest
    assert client.asked == [("$JS.API.STREAM.INFO.SEALBOOK_LOG", {})]


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
