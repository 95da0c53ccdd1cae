"""Publishing: how messages are cut into batches, and what a stream's answers mean. No server."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from sealbook.errors import InvalidInput, Unavailable
from sealbook.stream.atomic import (
    EXPECTED_SEQUENCE,
    EXPECTED_SUBJECT,
    MAX_BATCH_BYTES,
    MAX_BATCH_MESSAGES,
    DuplicateInBatch,
    Outgoing,
    WrongSequence,
    batches,
    publish,
    publish_batch,
)


class Stream:
    """A client whose stream answers from a list; an exception in it is raised."""

    max_payload = 1000

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self._answers = list(answers)
        self.sent: list[tuple[str, bytes, dict[str, str] | None]] = []

    async def publish(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        self.sent.append((subject, body, headers))

    async def request(
        self,
        subject: str,
        body: bytes,
        timeout: float,  # noqa: ASYNC109 nats-py names it so
        headers: dict[str, str] | None,
    ) -> SimpleNamespace:
        self.sent.append((subject, body, headers))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(data=json.dumps(answer).encode() if answer else b"")


def message(size: int = 1, number: int = 0) -> Outgoing:
    return Outgoing(f"sealbook.submit.p{number}", b"x" * size, {"Nats-Msg-Id": str(number)})


def as_client(stream: Stream) -> Client:
    return cast("Client", stream)


def refused(code: int, text: str = "no") -> dict[str, Any]:
    return {"error": {"code": 400, "err_code": code, "description": text}}


def test_batches_hold_all_messages_in_order() -> None:
    messages = [message(number=number) for number in range(2 * MAX_BATCH_MESSAGES + 1)]
    cut = batches(messages)
    assert [len(batch) for batch in cut] == [MAX_BATCH_MESSAGES, MAX_BATCH_MESSAGES, 1]
    assert [one for batch in cut for one in batch] == messages


def test_batches_stay_within_the_bytes() -> None:
    third = MAX_BATCH_BYTES // 3
    cut = batches([message(third, number) for number in range(7)])
    assert [len(batch) for batch in cut] == [3, 3, 1]


def test_a_message_over_the_bytes_goes_alone() -> None:
    cut = batches([message(1), message(MAX_BATCH_BYTES + 1), message(1)])
    assert [len(batch) for batch in cut] == [1, 1, 1]


def test_nothing_is_no_batch() -> None:
    assert batches([]) == []


async def test_one_message_is_published_as_it_is() -> None:
    stream = Stream({"seq": 7})
    assert await publish_batch(as_client(stream), [message()]) == 7
    assert stream.sent == [("sealbook.submit.p0", b"x", {"Nats-Msg-Id": "0"})]


async def test_a_batch_is_numbered_and_the_last_message_commits_it() -> None:
    stream = Stream({}, {"seq": 9})
    messages = [message(number=number) for number in range(3)]
    assert await publish_batch(as_client(stream), messages) == 9
    headers = [sent[2] or {} for sent in stream.sent]
    assert [one["Nats-Batch-Sequence"] for one in headers] == ["1", "2", "3"]
    assert len({one["Nats-Batch-Id"] for one in headers}) == 1
    assert [one.get("Nats-Batch-Commit") for one in headers] == [None, None, "1"]
    assert [one["Nats-Msg-Id"] for one in headers] == ["0", "1", "2"]


async def test_two_batches_have_different_ids() -> None:
    stream = Stream({}, {"seq": 2}, {}, {"seq": 4})
    for _ in range(2):
        await publish_batch(as_client(stream), [message(), message()])
    assert len({(headers or {})["Nats-Batch-Id"] for _, _, headers in stream.sent}) == 2


async def test_a_batch_refused_at_its_first_message_is_not_sent_on() -> None:
    stream = Stream(refused(10071))
    with pytest.raises(WrongSequence):
        await publish_batch(as_client(stream), [message(), message(), message()])
    assert len(stream.sent) == 1


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (10071, WrongSequence),
        (10164, WrongSequence),
        (10201, DuplicateInBatch),
        (10077, Unavailable),
        (10023, Unavailable),
    ],
)
async def test_a_refusal_of_the_stream_has_its_meaning(code: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="no"):
        await publish(as_client(Stream(refused(code))), message())


@pytest.mark.parametrize("failure", [NatsTimeout(), NoRespondersError(), TimeoutError()])
async def test_without_an_answer_the_outcome_is_unknown_and_can_be_tried_again(
    failure: Exception,
) -> None:
    with pytest.raises(Unavailable, match="within 10 s") as caught:
        await publish(as_client(Stream(failure)), message())
    assert caught.value.retryable
    assert "same id" in caught.value.remedy


async def test_a_message_over_the_servers_limit_is_told_from_a_server_away() -> None:
    with pytest.raises(InvalidInput, match="1001 bytes is over the server's limit of 1000"):
        await publish(as_client(Stream(NatsTimeout())), message(1001))


def test_an_expectation_leaves_the_message_itself_alone() -> None:
    bare = message()
    expecting = bare.expecting(0, "sealbook.log.*.x.y.k")
    assert expecting.headers == bare.headers | {
        EXPECTED_SEQUENCE: "0",
        EXPECTED_SUBJECT: "sealbook.log.*.x.y.k",
    }
    assert (expecting.subject, expecting.body) == (bare.subject, bare.body)
    assert EXPECTED_SEQUENCE not in bare.headers


def test_the_body_of_a_message_is_not_shown() -> None:
    assert "canary" not in repr(Outgoing("s", b"canary"))
