"""A recorder that is closed while others still record: nobody is promised what will not happen."""

import asyncio

from sealbook import Recorder


async def test_what_waits_for_room_when_the_recorder_is_closed_is_not_called_pending() -> None:
    recorder = Recorder(
        "nats://127.0.0.1:9", project="demo", max_wait_s=2, close_wait_s=0.1, queue_limit=2
    )

    async def close_soon() -> None:
        await asyncio.sleep(0.1)
        await recorder.close()

    async with recorder:
        bulk = recorder.record_many({"provider": "p"} for _ in range(4))
        receipts, _ = await asyncio.gather(bulk, close_soon())
    assert [(one.ok, one.pending) for one in receipts] == [(False, False)] * 4
    assert recorder.queued == 0
