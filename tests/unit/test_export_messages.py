"""Messages that cannot become an export, or fail while they do: on the record, for good or not."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
from lives import AT, CANARY, KEY, Service, asked, job, sent

from sealbook.contract.commands import ExportRequest
from sealbook.contract.documents import compact
from sealbook.contract.events import Event, ExportFailed
from sealbook.errors import (
    InvalidInput,
    KeyUnavailable,
    Misconfigured,
    SealbookError,
    SealBroken,
    Unavailable,
)
from sealbook.runtime.authorization import parse_policy
from sealbook.sealing import cipher
from services.export.job import Job
from services.export.life import _binding
from services.export.worker import KEPT_BYTES, Message


def message_of(one: Job) -> Message:
    """As `export.request` sends it."""
    return Message(one.actor, one.request_body(), 7, AT, one.id)


def kept(event: Event) -> bytes:
    """What stands under the seal of an event."""
    assert isinstance(event, ExportFailed)
    return cipher.unseal(KEY, event.sealed, _binding(event))


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
