"""The recorder against a real nats-server: what it acknowledges is on the bus, once."""

import asyncio
import time

from recording import CALL, CANARY, Server, calls, stored, stored_ids

from sealbook import Receipt, Recorder
from sealbook.contract.ids import new_id


async def test_a_record_is_on_the_bus_under_its_id(server: Server) -> None:
    async with Recorder(server.url, project="demo") as recorder:
        receipt = await recorder.record(**CALL, latency_ms=187, tags=["triage"])
        assert recorder.state == "sending"
    assert receipt == Receipt(True, receipt.interaction_id)
    [(subject, message_id, body)] = await stored(server)
    assert subject == "sealbook.submit.demo"
    assert message_id == str(receipt.interaction_id) == body["id"]
    assert body == {"id": message_id, **CALL, "latency_ms": 187.0, "tags": ["triage"]}


async def test_concurrent_records_arrive_exactly_once(server: Server) -> None:
    async with Recorder(server.url, project="demo") as recorder:
        receipts = await asyncio.gather(*(recorder.record(**call) for call in calls(1_500)))
        assert recorder.counters.delivered == 1_500
    assert all(receipt.ok for receipt in receipts)
    assert await stored_ids(server) == [receipt.interaction_id for receipt in receipts]


async def test_bulk_keeps_order_and_waits_for_room(server: Server) -> None:
    async with Recorder(server.url, project="demo", queue_limit=200) as recorder:
        receipts = await recorder.record_many(calls(1_500))
        assert recorder.counters.overflowed == 0
    assert all(receipt.ok for receipt in receipts)
    assert [body["metadata"]["n"] for _, _, body in await stored(server)] == list(range(1_500))


async def test_an_idle_recorder_sends_at_once(server: Server) -> None:
    async with Recorder(server.url, project="demo") as recorder:
        await recorder.record(**CALL)
        started = time.monotonic()
        await recorder.record(**CALL)
        assert time.monotonic() - started < 0.5


async def test_an_invalid_record_is_refused_by_name_without_its_values(server: Server) -> None:
    async with Recorder(server.url, project="demo") as recorder:
        receipts = [
            await recorder.record(**CALL, surprise=CANARY),
            await recorder.record(**CALL, latency_ms=CANARY),
            await recorder.record(**CALL, project=f"{CANARY}.>"),
            await recorder.record(**CALL, metadata={"what": object()}),
            await recorder.record(**CALL, response=float("nan")),
            await recorder.record(**CALL, response="\ud800"),
            await recorder.record(**CALL, id="0190"),
        ]
        assert recorder.counters.refused == 7
        many = await recorder.record_many([CALL, {"surprise": 1}, 7, CALL])  # type: ignore[list-item]
    assert not any(receipt.ok or receipt.retryable for receipt in receipts)
    assert not any(CANARY in (receipt.error or "") for receipt in receipts)
    assert "`surprise`" in (receipts[0].error or "")
    assert "`metadata`" in (receipts[3].error or "")
    assert [receipt.ok for receipt in many] == [True, False, False, True]


async def test_what_is_recorded_twice_keeps_its_id_so_that_ingest_counts_it_once(
    server: Server,
) -> None:
    first, second = new_id(), new_id()
    async with Recorder(server.url, project="demo") as recorder:
        together = await recorder.record_many(
            [{**CALL, "id": first}, {**CALL, "id": second}, {**CALL, "id": first}]
        )
        later = await recorder.record_many([{**CALL, "id": second}, CALL])
    assert all(receipt.ok for receipt in together + later)
    # The stream forgets ids after 0.1 s, ingest never does: see test_hostile_repeats.
    assert set(await stored_ids(server)) == {first, second, later[1].interaction_id}


async def test_a_submission_over_the_limit_is_refused_and_the_others_go_on(server: Server) -> None:
    async with Recorder(server.url, project="demo") as recorder:
        sizes = (10, 2**20, 2**20 - 600, 3 * 2**20, 10)
        receipts = await recorder.record_many({**CALL, "response": "x" * size} for size in sizes)
        again = await recorder.record(**CALL)
    assert [receipt.ok for receipt in receipts] == [True, False, False, False, True]
    assert "over the bus's limit of 1048064" in (receipts[1].error or "")
    assert again.ok
    assert len(await stored(server)) == 3
