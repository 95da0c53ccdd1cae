"""Sealed messages of the submit queue: the submission inside, or the reason why not."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pipelines import CANARY, STORED, Held, Keys, Log, arrival, count, pipeline, uuid7

from sealbook.contract.documents import compact
from sealbook.errors import KeyUnavailable, SealbookError, SealBroken, Unavailable
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.submission import SealTo
from services.ingest.receive import Arrival, Received, Rejected, SealedArrival, receive, unsealed
from services.ingest.submission_key import SCOPE

KEY = DataKey(UUID(int=7), bytes(range(32)))
INDEX = DataKey(UUID(int=8), b"i" * 32)
TO = SealTo.of(KEY.id, KEY.secret)


def came(body: bytes, project: str = "support") -> Arrival:
    return Arrival(f"sealbook.submit.{project}", body, 7, STORED, uuid7(7))


def opened(body: bytes, project: str = "support", key: DataKey = KEY) -> Received | Rejected:
    result = receive(came(body, project))
    return unsealed(result, key) if isinstance(result, SealedArrival) else result


def accepted(body: bytes) -> Received:
    result = opened(body)
    assert isinstance(result, Received)
    return result


def rejected(body: bytes, project: str = "support", key: DataKey = KEY) -> Rejected:
    result = opened(body, project, key)
    assert isinstance(result, Rejected)
    assert result.arrival == came(body, project)
    assert CANARY not in result.detail
    return result


def sealed(document: Any, project: str = "support") -> bytes:
    body = document if isinstance(document, bytes) else compact(document)
    return TO.seal(body, project)


def test_a_sealed_submission_is_received_as_the_plain_one() -> None:
    document = {"id": str(uuid7(9)), "project": "support", "provider": "acme", "tags": ["a"]}
    one, plain = accepted(sealed(document)), accepted(compact(document))
    assert (one.id, one.project, one.document) == (uuid7(9), "support", document)
    assert one.submission == plain.submission
    assert one.fingerprint(INDEX) == plain.fingerprint(INDEX)


def test_what_was_received_keeps_its_seal_as_it_came() -> None:
    body = sealed({"provider": "acme"})
    one = accepted(body)
    assert (one.arrival, one.id) == (came(body), uuid7(7))


def test_until_it_is_opened_nothing_of_it_shows() -> None:
    result = receive(came(sealed({"provider": CANARY})))
    assert isinstance(result, SealedArrival)
    assert CANARY not in repr(result)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (sealed(CANARY.encode()), "malformed_json"),
        (sealed(b"[" * 10_000), "malformed_json"),
        (sealed([CANARY]), "invalid_submission"),
        (sealed({"promt": CANARY}), "invalid_submission"),
        (sealed({"project": "sales"}), "invalid_submission"),
        (sealed(sealed({"provider": CANARY})), "invalid_submission"),
        (sealed({"provider": "acme"}, "sales"), "sealed_wrong"),
        (compact({"sealed_to": CANARY, "sealed": CANARY}), "sealed_wrong"),
        (compact({"sealed_to": str(KEY.id), "sealed": "QUJD"}), "sealed_wrong"),
        (compact({"sealed_to": str(KEY.id), "sealed": "QUJD", "id": CANARY}), "sealed_wrong"),
        (SealTo.of(uuid7(1), b"o" * 32).seal(b"{}", "support"), "unknown_seal_key"),
        (compact({"sealed": CANARY}), "invalid_submission"),
        (compact({"request": {"sealed_to": 1}, "promt": 1}), "invalid_submission"),
    ],
)
def test_what_cannot_be_opened_or_is_none_is_rejected(body: bytes, code: str) -> None:
    assert rejected(body).code == code


def test_a_nested_seal_is_named_as_what_does_not_fit() -> None:
    assert "`sealed_to`: unknown field" in rejected(sealed(sealed({}))).detail


def test_a_message_does_not_choose_the_key_that_is_tried() -> None:
    # The secret of another key would open it: it must not be asked for by a message.
    one = rejected(sealed({"provider": "acme"}), key=INDEX)
    assert one.code == "unknown_seal_key"
    assert str(KEY.id) in one.detail
    assert str(INDEX.id) in one.detail


def test_a_moved_message_is_rejected_in_the_project_it_came_to() -> None:
    one = rejected(sealed({"provider": "acme"}), "sales")
    assert (one.code, one.project) == ("sealed_wrong", "sales")


async def sealed_arrival(keys: Keys, number: int, **fields: Any) -> Arrival:
    plain = arrival(number, **fields)
    key = (await keys.for_scopes([SCOPE]))[SCOPE]
    return replace(plain, body=SealTo.of(key.id, key.secret).seal(plain.body, "support"))


async def test_sealed_and_plain_submissions_are_recorded_together() -> None:
    log, held, keys = Log(), Held(), Keys()
    made = pipeline(log, held, keys=keys)
    batch = [arrival(1), await sealed_arrival(keys, 2), arrival(3)]
    assert await made.record_or_isolate(batch) == []
    assert log.tries == [["m1", "m2", "m3"]]
    assert CANARY not in str(log.recorded)


async def test_sealed_and_plain_of_one_content_are_one_interaction() -> None:
    log, held, keys = Log(), Held(), Keys()
    made = pipeline(log, held, keys=keys)
    await made.record_or_isolate([await sealed_arrival(keys, 1), arrival(1)])
    await made.record_or_isolate([await sealed_arrival(keys, 1)])
    assert held.rejected == []
    assert (count(made, "recorded"), count(made, "duplicate")) == (1, 2)
    other = await sealed_arrival(keys, 1, user="another")
    await made.record_or_isolate([other])
    assert held.codes == [(1, "conflict")]
    assert held.rejected[0].arrival.body == other.body


async def test_what_is_set_aside_keeps_its_seal_and_can_be_tried_again() -> None:
    log, held, keys = Log(), Held(), Keys()
    made = pipeline(log, held, keys=keys)
    log.too_large.add("m1")
    body = (await sealed_arrival(keys, 1)).body
    await made.record_or_isolate([replace(arrival(1), body=body)])
    assert [(one.code, one.arrival.body) for one in held.rejected] == [("too_large", body)]
    log.too_large.clear()
    assert await made.record_or_isolate([held.rejected[0].arrival]) == []
    assert [event.model for event in log.recorded] == ["m1"]


@pytest.mark.parametrize("error", [SealBroken("altered"), KeyUnavailable("gone")])
async def test_without_the_submission_key_plain_submissions_go_through(
    error: SealbookError,
) -> None:
    log, held = Log(), Held()
    made = pipeline(log, held, keys=Keys(**{SCOPE.project: error}))
    await made.record_or_isolate([arrival(1)])
    await made.record_or_isolate([arrival(2), await sealed_arrival(Keys(), 3)])
    assert [event.model for event in log.recorded] == ["m1", "m2"]
    assert held.codes == [(3, error.code)]


async def test_while_the_keys_are_away_nothing_is_set_aside() -> None:
    log, held = Log(), Held()
    made = pipeline(log, held, keys=Keys(**{SCOPE.project: Unavailable("away")}))
    with pytest.raises(Unavailable):
        await made.record_or_isolate([arrival(1), await sealed_arrival(Keys(), 2)])
    assert (log.tries, held.rejected) == ([], [])
