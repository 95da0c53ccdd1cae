"""The recorder when the bus is killed, hangs, refuses or is not there: what was lost is said."""

import asyncio
import logging
import signal
import time
from pathlib import Path

import pytest
from recording import CALL, CANARY, Server, admin, calls, stored_ids, until

from sealbook import Recorder
from sealbook.errors import InvalidInput, SealbookError, Unavailable
from sealbook.stream import atomic
from sealbook.stream.topology import Topology, declare


async def test_a_server_killed_midway_loses_nothing(server: Server) -> None:
    async with Recorder(server.url, project="demo", max_wait_s=60) as recorder:
        recording = asyncio.create_task(recorder.record_many(calls(6_000)))
        await until(lambda: recorder.counters.delivered >= 500)
        await asyncio.to_thread(server.kill)
        assert not recording.done()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
        receipts = await recording
    assert all(receipt.ok for receipt in receipts)
    # What was stored without our hearing of it comes again under its id: ingest counts it once.
    ids = set(await stored_ids(server))
    assert len(ids) == 6_000
    assert ids == {receipt.interaction_id for receipt in receipts}


async def test_a_server_that_hangs_bounds_the_wait_and_gets_all_of_it(server: Server) -> None:
    async with Recorder(server.url, project="demo", max_wait_s=0.2, close_wait_s=30) as recorder:
        assert (await recorder.record(**CALL)).ok
        server.signal(signal.SIGSTOP)
        receipts = await asyncio.gather(*(recorder.record(**call) for call in calls(20)))
        server.signal(signal.SIGCONT)
    assert all(receipt.pending for receipt in receipts)
    assert len(set(await stored_ids(server))) == 21


async def test_a_forbidden_project_does_not_hold_up_the_others(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "PUBLISH_SECONDS", 0.3)  # a forbidden publish has no other answer
    async with Recorder(
        server.url, project="demo", user="app", password="secret", max_wait_s=20, close_wait_s=0
    ) as recorder:
        receipts = asyncio.gather(
            *(recorder.record(**CALL, project=name) for name in ("other", "demo", "demo"))
        )
        await until(lambda: recorder.counters.delivered == 2)
        assert recorder.state == "failing"
        assert "permits this subject" in (recorder.trouble or "")
        await recorder.close()
    assert [receipt.ok for receipt in await receipts] == [False, True, True]
    assert len(set(await stored_ids(server))) == 2


async def test_a_server_that_comes_later_gets_what_was_queued(
    silent: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Recorder(silent.url, project="demo", max_wait_s=0.2, close_wait_s=30) as recorder:
        started = time.monotonic()
        receipt = await recorder.record(**CALL)
        assert 0.15 < time.monotonic() - started < 2.0
        assert not receipt.ok
        assert receipt.pending
        assert "still queued" in (receipt.error or "")
        await asyncio.to_thread(silent.start)
        async with admin(silent) as client:
            await declare(client, Topology())
    assert await stored_ids(silent) == [receipt.interaction_id]
    assert CANARY not in caplog.text


async def test_a_full_queue_refuses_at_once_and_counts(silent: Server) -> None:
    url = silent.url
    async with Recorder(
        url, project="demo", max_wait_s=0.4, close_wait_s=0, queue_limit=2
    ) as recorder:
        pending = [await recorder.record(**CALL), await recorder.record(**CALL)]
        started = time.monotonic()
        refused = await recorder.record(**CALL)
        assert time.monotonic() - started < 0.3
        assert recorder.counters.overflowed == 1
    assert all(receipt.pending for receipt in pending)
    assert not refused.pending
    assert refused.retryable
    assert "2 of 2 submissions" in (refused.error or "")
    async with Recorder(url, project="demo", close_wait_s=0, queue_bytes=100) as recorder:
        refused = await recorder.record(**CALL, response="x" * 100)
    assert "of 100 bytes" in (refused.error or "")


async def test_bulk_without_a_bus_waits_once_not_for_each(silent: Server) -> None:
    async with Recorder(
        silent.url, project="demo", max_wait_s=0.3, close_wait_s=0, queue_limit=10
    ) as recorder:
        started = time.monotonic()
        receipts = await recorder.record_many(calls(50))
        assert time.monotonic() - started < 1.0
    assert sum(receipt.pending for receipt in receipts) == 10
    assert not any(receipt.ok for receipt in receipts)


async def test_close_reports_what_was_not_sent(
    silent: Server, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(silent.url, project="demo", max_wait_s=30, close_wait_s=0.1)
    async with recorder:
        recording = [asyncio.create_task(recorder.record(**CALL)) for _ in range(3)]
        await until(lambda: recorder.queued == 3)
        unsent = await recorder.close()
        receipts = await asyncio.gather(*recording)
    assert set(unsent) == {receipt.interaction_id for receipt in receipts}
    assert "closed with 3 submissions not sent" in (receipts[0].error or "")
    assert "closed with 3 submissions not sent" in caplog.text
    assert recorder.state == "closed"
    assert recorder.queued == 0
    assert "not open" in ((await recorder.record(**CALL)).error or "")


async def test_strict_raises_what_the_receipt_would_say(silent: Server) -> None:
    recorder = Recorder(silent.url, project="demo", strict=True, max_wait_s=0.2, close_wait_s=0)
    with pytest.raises(SealbookError, match="not open"):
        await recorder.record(**CALL)
    with pytest.raises(Unavailable, match="does not answer"):
        async with recorder:
            raise AssertionError("opened without a server")
    silent.start()  # without streams: nobody takes submissions
    with pytest.raises(Unavailable, match="closed with 1 submissions not sent"):
        async with recorder:
            with pytest.raises(InvalidInput, match="`surprise`"):
                await recorder.record(surprise=1)
            with pytest.raises(Unavailable, match="still queued"):
                await recorder.record(**CALL)


@pytest.mark.parametrize("url", ["", "nats://host:port", "http://[::1", "nats://u:canary@:1"])
async def test_what_is_no_url_is_said_without_its_secrets(url: str) -> None:
    async with Recorder(url, project="demo", max_wait_s=0.1, close_wait_s=0) as recorder:
        receipt = await recorder.record(**CALL)
    assert "The URL of NATS is not one" in (receipt.error or "")
    assert "canary" not in (receipt.error or "")


async def test_wrong_password_is_said_and_does_not_raise(server: Server, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("wrong")
    async with Recorder(
        server.url, project="demo", user="app", password=password, max_wait_s=30
    ) as recorder:
        recording = asyncio.create_task(recorder.record(**CALL))
        await until(lambda: recorder.state == "failing")
        assert "does not accept the user 'app'" in (recorder.trouble or "")
        password.write_text("secret\n")
        assert (await recording).ok
    with pytest.raises(SealbookError, match="does not accept the user 'app'"):
        async with Recorder(server.url, project="demo", user="app", password="wrong", strict=True):
            raise AssertionError("opened with a wrong password")
