"""Rebuilds of the live projections while events keep flowing, and of tables that differ."""

import asyncio
from typing import Any

import psycopg
import pytest
from projecting import PROJECTORS
from seen import interactions, rolled_up, sums
from seen import recorded as recorded_in
from sending import CALL
from waiting import until

from sealbook import Recorder
from sealbook.cli.connection import Door
from sealbook.contract.replies import CommandFailed


@pytest.mark.parametrize("name", sorted(PROJECTORS))
async def test_a_rebuild_while_events_keep_flowing_is_equal_and_readers_notice_nothing(
    recorder: Recorder, admin: Door, open_door: Any, project: str, name: str
) -> None:
    stop = asyncio.Event()
    sent = 0
    fewer_than_before: list[tuple[int, int]] = []

    async def record() -> None:
        nonlocal sent
        while not stop.is_set():
            receipts = await recorder.record_many([CALL] * 20)
            sent += sum(receipt.ok for receipt in receipts)
            await asyncio.sleep(0.05)

    async def read() -> None:
        door, last = await open_door("reader"), 0
        while not stop.is_set():
            row = await sums(door, project)
            listed = len(await interactions(door, project))
            calls = row.get("calls", 0) if name == "rollup" else listed
            if calls < last:
                fewer_than_before.append((last, calls))
            last = calls

    tasks = [asyncio.create_task(work()) for work in (record, read)]
    try:
        await recorded_in(admin, project, 40)
        generations = []
        for _ in range(3):
            reply = await admin.ask("projection.rebuild", projection=name)
            assert reply["equal"]
            generations.append(reply["generation"])
    finally:
        stop.set()
        await asyncio.gather(*tasks)
    assert generations == list(range(generations[0], generations[0] + 3))
    assert fewer_than_before == []
    assert len(await recorded_in(admin, project, sent)) == sent
    assert (await rolled_up(admin, project, sent))["calls"] == sent


async def live_schema(superuser: psycopg.AsyncConnection[Any], name: str) -> str:
    found = await superuser.execute(f"SELECT generation FROM {name}.projection")  # type: ignore[arg-type]
    row = await found.fetchone()
    assert row is not None
    return f"{name}_v{row[0]}"


TAMPERED = {
    "review": "UPDATE {schema}.interaction SET model = 'tampered' WHERE project = %s",
    "rollup": "UPDATE {schema}.daily SET calls = calls + 5 WHERE project = %s",
}


@pytest.mark.parametrize("name", sorted(TAMPERED))
async def test_a_live_table_that_differs_from_the_log_is_found_and_kept_until_accepted(
    recorder: Recorder,
    admin: Door,
    superuser: psycopg.AsyncConnection[Any],
    project: str,
    name: str,
) -> None:
    await recorder.record(**CALL)
    await recorded_in(admin, project, 1)
    await rolled_up(admin, project, 1)
    schema = await live_schema(superuser, name)
    await superuser.execute(TAMPERED[name].format(schema=schema), [project])  # type: ignore[arg-type]
    try:
        with pytest.raises(CommandFailed, match="differs from what is live") as caught:
            await admin.ask("projection.rebuild", projection=name)
        assert caught.value.code == "diverged"
        assert await live_schema(superuser, name) == schema
    finally:
        reply = await admin.ask("projection.rebuild", projection=name, accept_difference=True)
    assert not reply["equal"]
    assert await live_schema(superuser, name) == f"{name}_v{reply['generation']}" != schema
    [row] = await interactions(admin, project)
    assert row["model"] == CALL["model"]
    assert (await sums(admin, project))["calls"] == 1
    assert (await recorder.record(**CALL)).ok
    await recorded_in(admin, project, 2)
    await rolled_up(admin, project, 2)
    again = await until(
        lambda: admin.ask("projection.rebuild", projection=name), bool, "another rebuild"
    )
    assert again["equal"]


async def test_two_rebuilds_at_once_leave_one_equal_generation_live(
    recorder: Recorder, admin: Door, open_door: Any, project: str
) -> None:
    await recorder.record(**CALL)
    await rolled_up(admin, project, 1)
    other = await open_door("admin")
    outcomes = await asyncio.gather(
        *(door.ask("projection.rebuild", projection="rollup") for door in (admin, other)),
        return_exceptions=True,
    )
    for outcome in outcomes:
        if isinstance(outcome, CommandFailed):
            assert outcome.code == "conflict"
        else:
            assert isinstance(outcome, dict)
            assert outcome["equal"]
    assert any(isinstance(outcome, dict) for outcome in outcomes)
    assert (await admin.ask("projection.rebuild", projection="rollup"))["equal"]
    assert (await sums(admin, project))["calls"] == 1
