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
    HEADER_SPARE_BYTES,
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


def wire_size(headers: dict[str, str]) -> int:
    """What NATS counts beside the body, but for its own line (ADR-4)."""
    return sum(len(f"{name}: {value}\r\n") for name, value in headers.items())


async def test_a_message_over_the_servers_limit_is_not_sent() -> None:
    stream = Stream(NatsTimeout())
    # The server would count the headers too, and end the connection: body, 16 of headers, spare.
    with pytest.raises(InvalidInput, match="1273 bytes is over the server's limit of 1000"):
        await publish(as_client(stream), message(1001))
    assert stream.sent == []


@pytest.mark.parametrize("alone", [True, False])
async def test_body_headers_and_spare_may_fill_the_limit_and_not_one_byte_more(
    alone: bool,
) -> None:
    longest = Stream.max_payload - wire_size(message().headers) - HEADER_SPARE_BYTES
    stream = Stream({"seq": 1})
    send = publish if alone else lambda client, one: publish_batch(client, [one])
    assert await send(as_client(stream), message(longest)) == 1
    with pytest.raises(InvalidInput, match="1001 bytes"):
        await send(as_client(stream), message(longest + 1))
    assert len(stream.sent) == 1


async def test_long_headers_count_as_the_body_does() -> None:
    stream = Stream()
    one = Outgoing("sealbook.submit.p", b"", {"Nats-Msg-Id": "x" * Stream.max_payload})
    with pytest.raises(InvalidInput, match="over the server's limit"):
        await publish(as_client(stream), one)
    assert stream.sent == []


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_of_a_batch_with_a_message_over_the_limit_nothing_at_all_is_sent(place: int) -> None:
    messages = [message(1001 if number == place else 1, number) for number in range(3)]
    stream = Stream({}, {"seq": 3})
    with pytest.raises(InvalidInput, match="over the server's limit of 1000"):
        await publish_batch(as_client(stream), messages)
    assert stream.sent == []


async def test_the_headers_of_a_batch_count_too() -> None:
    # It would fit alone, without them.
    longest = Stream.max_payload - wire_size(message().headers) - HEADER_SPARE_BYTES
    around = {"Nats-Batch-Id": "0" * 32, "Nats-Batch-Sequence": "2"}
    for size, fits in ((longest - wire_size(around), True), (longest, False)):
        stream = Stream({}, {"seq": 2})
        batch = [message(), message(size)]
        if fits:
            assert await publish_batch(as_client(stream), batch) == 2
        else:
            with pytest.raises(InvalidInput):
                await publish_batch(as_client(stream), batch)
        assert len(stream.sent) == (2 if fits else 0)


async def test_whatever_is_sent_stays_within_the_limit_on_the_wire() -> None:
    longest = Stream.max_payload - wire_size(message().headers) - HEADER_SPARE_BYTES
    around = {"Nats-Batch-Id": "0" * 32, "Nats-Batch-Sequence": "3"}
    size = longest - wire_size(around)
    stream = Stream({}, {"seq": 3})
    await publish_batch(as_client(stream), [message(size, number) for number in range(3)])
    for _, body, headers in stream.sent:
        line = len(b"NATS/1.0\r\n\r\n")
        assert len(body) + wire_size(headers or {}) + line <= Stream.max_payload


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
