"""Repeated ids and mixtures through the real bus: the first content stands, nothing is lost."""

import asyncio
import json
import random
from typing import Any

from exporting import exported_rows
from hostile import Superuser, assert_next_is_recorded, assert_nothing_lost
from nats.aio.client import Client
from seen import held, interactions, quarantined, recorded, rolled_up
from sending import CALL, send, send_all

from sealbook.cli.connection import Door
from sealbook.contract.ids import new_id
from sealbook.stream.atomic import Outgoing, publish_batch


async def test_the_first_content_under_an_id_stands_and_another_is_a_conflict(
    submitter: Client, admin: Door, superuser: Superuser, exporter: Door, project: str
) -> None:
    interaction_id = str(new_id())
    first = {**CALL, "id": interaction_id, "request": "the first"}
    second = {**CALL, "id": interaction_id, "request": "the second"}
    await send(submitter, project, first)
    await recorded(admin, project, 1)
    await send(submitter, project, second)
    [row] = await held(superuser, project, 1)
    assert (row["reason"], str(row["interaction_id"])) == ("conflict", interaction_id)
    rows = await exported_rows(exporter, project, columns=["request_payload"])
    assert rows == [{"request_payload": "the first"}]


async def test_conflicting_contents_in_one_batch_leave_the_first_and_a_conflict(
    submitter: Client, admin: Door, superuser: Superuser, exporter: Door, project: str
) -> None:
    interaction_id = str(new_id())
    await batch(
        submitter,
        project,
        [
            {**CALL, "id": interaction_id, "request": "the first"},
            {**CALL, "id": interaction_id, "request": "the second"},
            {**CALL, "id": interaction_id, "request": "the first"},
        ],
    )
    [row] = await held(superuser, project, 1)
    assert row["reason"] == "conflict"
    rows = await exported_rows(exporter, project, columns=["request_payload"])
    assert rows == [{"request_payload": "the first"}]


async def test_a_good_submission_after_a_broken_one_of_the_same_id_is_not_lost(
    submitter: Client, admin: Door, superuser: Superuser, project: str
) -> None:
    interaction_id = str(new_id())
    broken = {"id": interaction_id, "provider": "p"}
    await batch(submitter, project, [broken, {**CALL, "id": interaction_id}])
    assert await assert_nothing_lost(admin, superuser, project, 2) == (1, 1)


async def test_the_same_id_many_times_counts_once(
    submitter: Client, admin: Door, superuser: Superuser, project: str
) -> None:
    interaction_id = str(new_id())
    await send_all(submitter, project, [{**CALL, "id": interaction_id}] * 50)
    await assert_next_is_recorded(submitter, admin, project)
    assert (await rolled_up(admin, project, 2))["calls"] == 2
    assert len(await interactions(admin, project)) == 2
    assert await quarantined(superuser, project) == []


async def test_bad_and_good_in_any_mixture_all_end_up_somewhere(
    submitter: Client, admin: Door, superuser: Superuser, project: str
) -> None:
    chance = random.Random(20261101)  # noqa: S311 a mixture, not a secret
    good = [{**CALL, "session_id": f"s-{number}"} for number in range(300)]
    bad: list[Any] = [chance.choice([b"{", b"[]", b"{}", b'{"x":1}']) for _ in range(100)]
    mixed = good + bad
    chance.shuffle(mixed)
    await asyncio.gather(*(send(submitter, project, body) for body in mixed))
    assert await assert_nothing_lost(admin, superuser, project, 400) == (300, 100)
    assert (await rolled_up(admin, project, 300))["calls"] == 300


async def batch(client: Client, project: str, bodies: list[dict[str, Any]]) -> None:
    """Publish them at once, behind others, so that ingest takes them in one batch."""
    others = [Outgoing(f"sealbook.submit.{project}-other", json.dumps(CALL).encode())] * 150
    mine = [Outgoing(f"sealbook.submit.{project}", json.dumps(body).encode()) for body in bodies]
    await publish_batch(client, others + mine)
