"""A recorder that seals, against a real nats-server."""

import asyncio
import json

from recording import CALL, Server, admin, stored

from sealbook import BlockingRecorder, Recorder
from sealbook.contract.ids import new_id
from sealbook.sealing.submission import SealTo
from sealbook.stream.topology import Topology, declare

TO = SealTo.of(new_id(), bytes(range(32)))
LIMIT = 2**20 - 512


async def test_the_limit_is_for_the_sealed_size(server: Server) -> None:
    async with Recorder(server.url, project="demo", seal_to=str(TO)) as recorder:
        fits = await recorder.record(**CALL, response="x" * (LIMIT * 3 // 4 - 300))
        over = await recorder.record(**CALL, response="x" * (LIMIT * 3 // 4))
    assert fits.ok
    assert "over the bus's limit of 1048064" in (over.error or "")


async def test_what_is_sent_again_is_the_same_sealed_message(silent: Server) -> None:
    async with Recorder(silent.url, project="demo", seal_to=str(TO), max_wait_s=0.1) as recorder:
        pending = await recorder.record(**CALL)
        [parcel] = recorder._outbox._unsettled
        silent.start()
        async with admin(silent) as client:
            await declare(client, Topology())
    [(_, message_id, body)] = await stored(silent)
    assert pending.pending
    assert message_id == str(pending.interaction_id)
    assert json.loads(parcel.message.body) == body


async def test_the_blocking_recorder_seals_too(server: Server) -> None:
    def run() -> None:
        with BlockingRecorder(server.url, project="demo", seal_to=str(TO)) as recorder:
            assert recorder.record(**CALL).ok
            assert all(receipt.ok for receipt in recorder.record_many([CALL, CALL]))

    await asyncio.to_thread(run)
    bodies = [body for _, _, body in await stored(server)]
    assert [list(body) for body in bodies] == [["sealed_to", "sealed"]] * 3
    assert len({body["sealed"] for body in bodies}) == 3
