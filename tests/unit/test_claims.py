"""Large payloads: which they are, where they go, and what their events say of them."""

import asyncio
import hashlib
import os
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pipelines import (
    AWAY,
    STORED,
    Cursor,
    Held,
    Log,
    Shelf,
    arrival,
    count,
    message,
    pipeline,
    uuid7,
)
from pydantic import SecretStr

from sealbook.contract.events import InteractionRecorded
from sealbook.contract.usage import Usage
from sealbook.errors import Misconfigured, Unavailable
from sealbook.runtime import objects
from sealbook.runtime.objects import Bucket
from sealbook.runtime.settings import Settings
from sealbook.sealing import binding
from sealbook.sealing.cipher import DataKey, seal, unseal
from sealbook.sealing.payload import Payload
from sealbook.stream.append import LogWriter
from services.ingest import pipeline as module
from services.ingest.claims import Claims, claimed, is_large, object_key

KEY = DataKey(uuid7(99), b"k" * 32)
NOISE = os.urandom(100_000).hex()


def event(number: int, sealed: bytes) -> InteractionRecorded:
    return InteractionRecorded(
        id=uuid7(number),
        project="support",
        provider="p",
        model="m",
        kind="chat",
        status="success",
        usage=Usage(),
        occurred_at=STORED,
        policy_version="p",
        fingerprint="f",
        sealed=sealed,
    )


def large(number: int) -> InteractionRecorded:
    return event(number, seal(KEY, os.urandom(70_000), b""))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def log() -> Log:
    return Log()


def claims(shelf: Shelf, log: Log, *times: datetime) -> Claims:
    moments = iter(times)
    return Claims(
        cast("Bucket", shelf),
        cast("LogWriter", log),
        65_536,
        clock=lambda: next(moments, times[-1] if times else STORED),
    )


@pytest.mark.parametrize(("size", "is_over"), [(65_535, False), (65_536, False), (65_537, True)])
def test_64_kib_sealed_is_inline_and_a_byte_more_is_not(size: int, is_over: bool) -> None:
    inline_bytes = Settings().inline_payload_bytes
    assert is_large(event(1, bytes(size)), inline_bytes) is is_over


def test_an_event_says_where_its_payload_is_how_large_and_what_it_hashes_to() -> None:
    one = large(1)
    assert one.sealed is not None
    sha256 = hashlib.sha256(one.sealed).hexdigest()
    moved = claimed(one, one.sealed, STORED)
    assert moved.sealed is None
    assert moved.claim is not None
    assert moved.claim.model_dump() == {
        "object_key": f"payloads/2026-01-02T03/{one.id}/{sha256}",
        "size_bytes": len(one.sealed),
        "sha256": sha256,
        "key_id": KEY.id,
    }
    # It can be read back, and what it is bound to is what it was.
    assert InteractionRecorded.model_validate_json(moved.model_dump_json()) == moved
    assert binding.recorded(moved) == binding.recorded(one)


def test_the_hour_of_a_key_is_utc() -> None:
    at = datetime(2026, 1, 2, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert object_key(uuid7(1), "00ff", at) == f"payloads/2026-01-01T23/{uuid7(1)}/00ff"


async def test_only_large_payloads_are_uploaded_whole(shelf: Shelf, log: Log) -> None:
    events = [event(1, b"small"), large(2), event(3, b"small"), large(4)]
    found = await claims(shelf, log).deposited(events)
    assert found.keys() == {one.id for one in events}
    assert [found[one.id] == one for one in events] == [True, False, True, False]
    for one in (events[1], events[3]):
        claim = found[one.id].claim
        assert claim is not None
        assert shelf.objects[claim.object_key] == one.sealed
    assert len(shelf.objects) == 2


async def test_two_attempts_leave_two_objects(shelf: Shelf, log: Log) -> None:
    made = claims(shelf, log)
    keys = set()
    for _ in range(2):
        claim = (await made.deposited([large(1)]))[uuid7(1)].claim
        assert claim is not None
        keys.add(claim.object_key)
    assert keys == shelf.objects.keys()
    assert len(keys) == 2


async def test_a_log_that_is_away_leaves_no_orphan(
    shelf: Shelf, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: str) -> None:
        raise AWAY

    monkeypatch.setattr(log, "last", away)
    with pytest.raises(Unavailable):
        await claims(shelf, log).deposited([large(1)])
    assert shelf.objects == {}


async def test_an_upload_that_may_be_collected_before_its_event_is_made_again(
    shelf: Shelf, log: Log
) -> None:
    late = STORED + timedelta(minutes=31)
    with pytest.raises(Unavailable, match="took longer than 0:30:00"):
        await claims(shelf, log, STORED, late).deposited([large(1)])
    in_time = STORED + timedelta(minutes=30)
    assert await claims(shelf, log, STORED, in_time).deposited([large(1)])


async def test_readiness_asks_s3_only_after_it_failed_an_upload(shelf: Shelf, log: Log) -> None:
    made = claims(shelf, log)
    shelf.fails = AWAY
    await made.check()
    await made.deposited([event(1, b"small")])
    await made.check()
    with pytest.raises(Unavailable):
        await made.deposited([large(2)])
    with pytest.raises(Unavailable):
        await made.check()
    shelf.fails = None
    await made.check()
    shelf.fails = AWAY
    await made.check()


def opened(one: InteractionRecorded, sealed: bytes, key: DataKey) -> Any:
    return Payload.decode(unseal(key, sealed, binding.recorded(one).encode()))


async def test_a_large_submission_is_recorded_by_claim_and_opens(shelf: Shelf, log: Log) -> None:
    made = pipeline(log, Held(), shelf=shelf)
    assert await made.record_or_isolate([arrival(1), arrival(2, request=NOISE)]) == []
    small, moved = log.recorded
    assert small.claim is None
    assert moved.sealed is None
    assert moved.claim is not None
    key = DataKey(moved.claim.key_id, b"k" * 32)
    content = opened(moved, shelf.objects[moved.claim.object_key], key)
    assert content.request == f'"{NOISE}"'.encode()


async def test_a_large_submission_that_comes_again_counts_once_and_leaves_no_orphan(
    shelf: Shelf, log: Log
) -> None:
    held = Held()
    made = pipeline(log, held, shelf=shelf)
    for _ in range(2):
        assert await made.record_or_isolate([arrival(1, request=NOISE), arrival(2)]) == []
    assert [count(made, name) for name in ("recorded", "duplicate")] == [2, 2]
    assert len(shelf.objects) == 1
    # Other content under its id is still found out.
    [rejected] = await made.record_or_isolate([arrival(1, request=NOISE[1:])])
    assert rejected.code == "conflict"
    assert len(shelf.objects) == 1


async def test_s3_away_makes_the_whole_batch_wait_in_order(
    shelf: Shelf, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    held, cursor = Held(), Cursor([message(1), message(2), message(3)])
    cursor._messages[1].data = arrival(2, request=NOISE).body
    shelf.fails = AWAY
    made = pipeline(log, held, cursor, shelf=shelf)
    work = asyncio.create_task(made.run())
    try:
        await asyncio.sleep(0.1)
        assert (log.tries, held.rejected, cursor.acknowledged.is_set()) == ([], [], False)
        with pytest.raises(Unavailable):
            await made.claims.check()
        shelf.fails = None
        await asyncio.wait_for(cursor.acknowledged.wait(), 10)
    finally:
        work.cancel()
    assert log.tries == [["m1", "m2", "m3"]]
    assert cursor.told[-1] == ("acknowledge", 3)


async def test_a_batch_that_is_long_at_work_stays_ours(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT_SECONDS", 0.03)
    cursor = Cursor([message(1)])
    last = log.append_once

    async def slow(events: Any) -> Any:
        await asyncio.sleep(0.1)
        return await last(events)

    monkeypatch.setattr(log, "append_once", slow)
    work = asyncio.create_task(pipeline(log, Held(), cursor).run())
    try:
        await asyncio.wait_for(cursor.acknowledged.wait(), 10)
    finally:
        work.cancel()
    assert cursor.told[0] == ("keep", 1)
    assert cursor.told[-1] == ("acknowledge", 1)


def test_without_keys_to_s3_no_client_is_made() -> None:
    with pytest.raises(Misconfigured, match="no access key to S3"):
        objects.client(Settings())
    assert objects.client(Settings(s3_access_key=SecretStr("a"), s3_secret_key=SecretStr("b")))


@pytest.mark.parametrize("status", ["408", "400", "503"])
async def test_a_log_that_refuses_a_read_is_not_taken_for_one_without_the_entry(
    status: str,
) -> None:
    async def request(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(headers={"Status": status}, data=b"")

    writer = LogWriter(cast("Any", SimpleNamespace(request=request)), "ingest")
    with pytest.raises(Unavailable, match=f"status {status}"):
        await writer.last("s")
    status = "404"
    assert await writer.last("s") is None
