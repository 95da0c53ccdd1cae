"""The position that an export is of: resolved by the time it was asked, and waited for."""

import json
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest
from lives import AT, Service, asked, job, sent
from sqlalchemy.dialects import postgresql

from sealbook.contract.documents import compact
from sealbook.contract.events import ExportCompleted
from sealbook.errors import InvalidInput, Unavailable
from sealbook.stream.append import LogWriter
from services.export.selection import newest_position
from services.export.worker import Message


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
