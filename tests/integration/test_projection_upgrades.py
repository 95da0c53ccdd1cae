"""A deployment whose rows an older version of a projector wrote moves on by itself."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from claiming import call, words
from pydantic import SecretStr
from seen import recorded
from sending import connect
from sqlalchemy import Connection, MetaData, Table, text
from waiting import until

from sealbook import Recorder
from sealbook.cli.connection import Door
from sealbook.cli.stack import Stack
from sealbook.contract.events import InteractionRecorded
from sealbook.errors import Unavailable
from sealbook.projection import generation
from sealbook.projection.copying import copy_rows
from sealbook.projection.projector import Placed, Projector
from sealbook.projection.published import interaction_columns
from sealbook.projection.runner import Runner
from sealbook.runtime.database import Database
from services.review.projector import ReviewProjector
from services.review.rows import INTERACTION_COLUMNS, interaction_row
from services.review.tables import VIEWS

NAME = f"t_{uuid.uuid4().hex[:12]}"
INTERACTION = "interaction_v1"


class Newest(ReviewProjector):
    """review's projector as it is, under a name of its own."""

    name = NAME


class First:
    """What it was in version 1, as far as interactions go: payloads were in their rows."""

    name = NAME
    version = 1
    event_types = ("interaction.recorded",)
    tables = MetaData()
    Table(
        "interaction",
        tables,
        *(one for one in interaction_columns() if not one.name.startswith("claim_")),
    )
    views = {INTERACTION: VIEWS[INTERACTION]}  # noqa: RUF012 a constant

    def apply(self, batch: Sequence[Placed], connection: Connection) -> None:
        kept = [
            n for n, (name, _) in enumerate(INTERACTION_COLUMNS) if not name.startswith("claim_")
        ]
        rows = [
            interaction_row(placed, placed.event)
            for placed in batch
            if isinstance(placed.event, InteractionRecorded)
        ]
        columns = [INTERACTION_COLUMNS[n] for n in kept]
        copy_rows(connection, "interaction", columns, ([row[n] for n in kept] for row in rows))


@pytest.fixture
async def database(stack: Stack) -> AsyncIterator[Database]:
    made = Database(SecretStr(stack.servers.endpoints.postgres.url))
    await made.run(lambda c: c.execute(text(f"CREATE SCHEMA {NAME}")))
    yield made
    for schema in (NAME, f"{NAME}_v1", f"{NAME}_v2"):
        await made.run(lambda c, s=schema: c.execute(text(f"DROP SCHEMA IF EXISTS {s} CASCADE")))
    made.close()


@asynccontextmanager
async def running(stack: Stack, database: Database, projector: Projector) -> AsyncIterator[None]:
    client = await connect(stack, "provisioner")
    run = asyncio.create_task(Runner(client, database, projector).run())
    try:
        yield
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await client.close()


async def rows(database: Database, schema: str, project: str) -> list[dict[str, Any]]:
    def read(connection: Connection) -> list[dict[str, Any]]:
        query = f"SELECT * FROM {schema}.{INTERACTION} WHERE project = :project ORDER BY id"
        found = connection.execute(text(query), {"project": project})
        return [dict(row) for row in found.mappings()]

    return await database.run(read)


async def shown(database: Database, project: str) -> int:
    try:
        return len(await rows(database, NAME, project))
    except Unavailable:  # the view is not there yet
        return 0


async def test_rows_of_version_1_become_those_of_the_newest_version_without_hands(
    stack: Stack, recorder: Recorder, admin: Door, database: Database, project: str
) -> None:
    for said in ("one", "two", words(200_000)):
        assert (await recorder.record(**call(said))).ok
    async with running(stack, database, First()):
        await until(lambda: shown(database, project), lambda count: count == 3, "three old rows")
    before = await rows(database, NAME, project)
    assert not [name for name in before[0] if name.startswith("claim_")]
    # Who needs what the old rows have not may ask again: an export is not failed for good.
    with pytest.raises(Unavailable, match="not yet the table or column"):
        await database.run(
            lambda c: c.execute(text(f"SELECT claim_key_id FROM {NAME}.{INTERACTION}"))
        )
    # While nobody follows the log, it goes on.
    assert (await recorder.record(**call("three"))).ok
    await recorded(admin, project, 4)
    async with running(stack, database, Newest()):
        await until(lambda: shown(database, project), lambda count: count == 4, "four new rows")

    assert await database.run(generation.live_projector_version, NAME) == Newest.version
    assert await database.run(generation.live, NAME) == generation.Generation(NAME, 2)
    after = await rows(database, NAME, project)
    assert after == await rows(database, "review", project)
    assert sorted(row["claim_object_key"] is None for row in after) == [False, True, True, True]
    same = set(before[0]) - {"review_state", "review_version", "review_position"}
    old = {row["id"]: {name: row[name] for name in same} for row in before}
    new = {row["id"]: {name: row[name] for name in same} for row in after}
    assert old == {one: new[one] for one in old}
