"""Messages of the submit queue: a submission, or the reason why not; never an exception."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from nats.aio.msg import Msg

from sealbook.sealing.cipher import DataKey
from sealbook.stream.delivery import Delivery, delivery
from services.ingest.receive import Arrival, Received, Rejected, arrive, receive

CANARY = "canary-7f3a"
STORED_NS = 1_700_000_000_123_456_789
STORED_MS = STORED_NS // 1_000_000
STORED_AT = datetime(2023, 11, 14, 22, 13, 20, 123_456, UTC)
REPLY = f"$JS.ACK.SEALBOOK_SUBMIT.ingest.1.7.9.{STORED_NS}.0"
GIVEN = UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
OTHER = UUID("017f22e2-79b0-7cc3-98c4-000000000000")
KEY = DataKey(UUID(int=1), b"k" * 32)


def message(
    body: Any,
    *,
    subject: str = "sealbook.submit.support",
    headers: dict[str, str] | None = None,
    reply: str = REPLY,
) -> Msg:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Msg(_client=None, subject=subject, reply=reply, data=data, headers=headers)  # type: ignore[arg-type]


def accepted(*args: Any, **kwargs: Any) -> Received:
    result = receive(arrive(message(*args, **kwargs)))
    assert isinstance(result, Received)
    return result


def rejected(*args: Any, **kwargs: Any) -> Rejected:
    result = receive(arrive(message(*args, **kwargs)))
    assert isinstance(result, Rejected)
    assert CANARY not in result.detail
    return result


def test_a_submission_is_received_with_its_place_in_the_queue() -> None:
    one = accepted({"provider": "acme", "model": "m"})
    assert (one.project, one.arrival.sequence) == ("support", 7)
    assert one.arrival.stored_at == STORED_AT
    assert one.document == {"provider": "acme", "model": "m"}
    assert one.submission.provider == "acme"


def test_the_id_in_the_body_counts_first_then_the_one_in_the_header() -> None:
    headers = {"Nats-Msg-Id": str(OTHER)}
    assert accepted({"id": str(GIVEN)}, headers=headers).id == GIVEN
    assert accepted({}, headers=headers).id == OTHER


@pytest.mark.parametrize(
    "text", [CANARY, "", "7", str(UUID(int=4, version=4)), "\r\n", f"{GIVEN}.7", f"{GIVEN}."]
)
def test_without_a_usable_id_one_is_derived_from_the_place_in_the_queue(text: str) -> None:
    one = accepted({}, headers={"Nats-Msg-Id": text})
    assert one.id == accepted({}).id
    assert (one.id.version, one.id.int >> 80) == (7, STORED_MS)


def test_a_second_delivery_has_the_id_of_the_first() -> None:
    again = REPLY.replace("ingest.1.7.9.", "ingest.2.7.12.")
    assert accepted({}, reply=again).id == accepted({}).id


def test_other_messages_have_other_derived_ids() -> None:
    other_sequence = REPLY.replace("ingest.1.7.", "ingest.1.8.")
    ids = {
        accepted({}).id,
        accepted({}, reply=other_sequence).id,
        accepted({}, subject="sealbook.submit.sales").id,
    }
    assert len(ids) == 3


def test_headers_of_the_bus_and_of_events_are_ignored() -> None:
    headers = {"Nats-Sequence": "99", "ce-type": "interaction.recorded", "ce-id": str(OTHER)}
    assert accepted({}, headers=headers) == accepted({})
    assert accepted({}, headers=headers).arrival.sequence == 7


@pytest.mark.parametrize("name", ["", "a b", "a.b", "*", ">", "$SYS", "x" * 65, f"{CANARY}!"])
def test_a_bad_project_is_rejected(name: str) -> None:
    one = rejected({}, subject=f"sealbook.submit.{name}")
    assert (one.code, one.project) == ("bad_project", None)


@pytest.mark.parametrize(
    "body", [b"", CANARY.encode(), b'{"a":' + CANARY.encode(), b"\xff", b"[" * 10_000, b"1e999"]
)
def test_a_body_that_is_no_json_is_rejected(body: bytes) -> None:
    one = rejected(body)
    assert (one.code, one.project) == ("malformed_json", "support")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"promt": CANARY}, "`promt`: unknown field"),
        ({"status": CANARY}, "`status`"),
        ({"id": str(UUID(int=4, version=4))}, "`id`"),
        ([CANARY], "a JSON object"),
        (None, "a JSON object"),
        ({"project": CANARY}, "another project than its subject"),
    ],
)
def test_what_is_no_submission_is_rejected_by_what_does_not_fit(body: Any, named: str) -> None:
    one = rejected(body, headers={"Nats-Msg-Id": str(GIVEN)})
    assert one.code == "invalid_submission"
    assert named in one.detail
    assert one.arrival.id == GIVEN


def test_the_project_of_the_subject_may_be_repeated() -> None:
    assert accepted({"project": "support"}).project == "support"


def test_the_fingerprint_is_that_of_the_content_whatever_its_address() -> None:
    def fingerprint(body: Any, subject: str = "sealbook.submit.support") -> str:
        return accepted(body, subject=subject).fingerprint(KEY)

    content = {"provider": "acme", "tags": ["a"]}
    addressed = {"id": str(GIVEN), "tags": ["a"], "provider": "acme", "project": "support"}
    assert fingerprint(addressed) == fingerprint(content)
    assert fingerprint(content, "sealbook.submit.sales") == fingerprint(content)
    assert fingerprint(content | {"tags": ["b"]}) != fingerprint(content)
    assert fingerprint(content | {"user": None}) != fingerprint(content)


@pytest.mark.parametrize("number", [1, 2**63, 2**64, -(2**80)])
def test_the_fingerprint_knows_every_digit_of_a_number(number: int) -> None:
    def fingerprint(request: Any) -> str:
        return accepted({"provider": "acme", "request": request}).fingerprint(KEY)

    assert fingerprint({"a": number, "b": 1}) == fingerprint({"b": 1, "a": number})
    assert fingerprint({"a": number}) != fingerprint({"a": number + 1})


def test_nobody_confirms_a_guess_of_the_content_without_the_key() -> None:
    one = accepted({"provider": "acme"})
    other = DataKey(KEY.id, b"x" * 32)
    assert one.fingerprint(KEY) != one.fingerprint(other)
    assert len(one.fingerprint(KEY)) == 32


def test_an_arrival_is_known_before_its_body_is_read() -> None:
    one = arrive(message(b"\xff", headers={"Nats-Msg-Id": str(GIVEN)}))
    assert one == Arrival("sealbook.submit.support", b"\xff", 7, STORED_AT, GIVEN)


def test_the_body_of_an_arrival_is_not_shown() -> None:
    assert CANARY not in repr(arrive(message(CANARY.encode())))


def test_an_arrival_needs_no_message_of_the_bus_to_be_received() -> None:
    # What comes out of the quarantine has none: it counts under its id and its old time.
    again = Arrival("sealbook.submit.support", b'{"provider": "acme"}', 7, STORED_AT, OTHER)
    one = receive(again)
    assert isinstance(one, Received)
    assert (one.arrival, one.id, one.project) == (again, OTHER, "support")
    assert one.submission.provider == "acme"


def test_the_id_in_the_body_counts_for_the_arrival_too() -> None:
    assert accepted({"id": str(GIVEN)}, headers={"Nats-Msg-Id": str(OTHER)}).arrival.id == GIVEN


# ADR-15 of NATS: the reply subject as old and as newer servers write it.
@pytest.mark.parametrize(
    "reply",
    [
        f"$JS.ACK.S.c.1.7.9.{STORED_NS}.5",
        f"$JS.ACK._.ACC123.S.c.1.7.9.{STORED_NS}.5",
        f"$JS.ACK.hub.ACC123.S.c.1.7.9.{STORED_NS}.5.token",
    ],
)
def test_a_reply_subject_tells_the_delivery_in_all_its_forms(reply: str) -> None:
    assert delivery(reply) == Delivery(7, 9, STORED_NS, 5)
    assert delivery(reply).pending == 5
    assert delivery(reply).stored_at.timestamp() == STORED_NS // 1000 / 1e6
