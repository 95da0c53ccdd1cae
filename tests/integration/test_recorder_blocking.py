"""The blocking recorder against a real nats-server: threads, forks and its closing."""

import asyncio
import os
import threading
import time

import pytest
from recording import CALL, Server, calls, stored_ids

from sealbook import BlockingRecorder, Receipt
from sealbook.errors import InvalidInput


async def test_blocking_recorder_serves_many_threads(server: Server) -> None:
    receipts: list[Receipt] = []

    def work(recorder: BlockingRecorder) -> None:
        receipts.extend(recorder.record(**call) for call in calls(50))

    def run() -> None:
        with BlockingRecorder(server.url, project="demo") as recorder:
            threads = [threading.Thread(target=work, args=(recorder,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            receipts.extend(recorder.record_many(calls(100)))
            assert recorder.counters.delivered == 500
        assert recorder.state == "closed"
        assert "not open" in (recorder.record(**CALL).error or "")
        assert [receipt.ok for receipt in recorder.record_many(calls(2))] == [False, False]

    await asyncio.to_thread(run)
    assert all(receipt.ok for receipt in receipts)
    ids = await stored_ids(server)
    assert len(ids) == len(receipts) == 500
    assert set(ids) == {receipt.interaction_id for receipt in receipts}


async def test_closing_the_blocking_recorder_answers_the_calls_of_other_threads(
    silent: Server,
) -> None:
    def run() -> list[Receipt]:
        receipts: list[Receipt] = []
        recorder = BlockingRecorder(silent.url, project="demo", max_wait_s=60, close_wait_s=0.1)
        with recorder:
            thread = threading.Thread(target=lambda: receipts.append(recorder.record(**CALL)))
            thread.start()
            while recorder.queued < 1:
                time.sleep(0.01)
            assert len(recorder.close()) == 1
            thread.join()
        return receipts

    [receipt] = await asyncio.to_thread(run)
    assert "closed with 1 submissions not sent" in (receipt.error or "")


def test_a_strict_blocking_recorder_raises_on_entering(silent: Server) -> None:
    with pytest.raises(InvalidInput, match="bus user"):
        BlockingRecorder(silent.url, project="demo", user="a.b", strict=True).__enter__()
    assert not [t for t in threading.enumerate() if t.name == "sealbook-recorder"]


async def test_a_forked_child_gets_a_receipt_that_says_so(server: Server) -> None:
    def run() -> int:
        with BlockingRecorder(server.url, project="demo") as recorder:
            assert recorder.record(**CALL).ok
            child = os.fork()
            if child == 0:  # nothing but this: the child has the test runner's whole state
                os._exit(0 if "not open in this process" in str(recorder.record(**CALL)) else 1)
            return os.waitpid(child, 0)[1]

    assert await asyncio.to_thread(run) == 0
