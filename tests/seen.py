"""What readers see of a project: its interactions, its sums, its quarantine, its audit trail."""

from typing import Any

import psycopg
from waiting import until

from sealbook.cli.connection import Door

Row = dict[str, Any]


async def interactions(door: Door, project: str, **wanted: Any) -> list[Row]:
    """All pages of `interaction.list`, newest first."""
    rows: list[Row] = []
    before = None
    while True:
        page = await door.ask(
            "interaction.list", filter={"project": project, **wanted}, limit=1000, before=before
        )
        rows += page["interactions"]
        before = page["next"]
        if before is None:
            return rows


async def recorded(door: Door, project: str, count: int, *, within: float = 20.0) -> list[Row]:
    """The project's interactions once there are `count` of them, newest first."""
    return await until(
        lambda: interactions(door, project),
        lambda rows: len(rows) >= count,
        f"{count} interactions of {project}",
        within=within,
    )


async def sums(door: Door, project: str) -> Row:
    """The project's row of the rollup over all days; empty when there is none."""
    rows = (await door.ask("rollup.query", by=["project"]))["rows"]
    return next((row for row in rows if row["project"] == project), {})


async def rolled_up(door: Door, project: str, calls: int, *, within: float = 20.0) -> Row:
    """The sums once they count `calls` calls."""
    return await until(
        lambda: sums(door, project),
        lambda row: row.get("calls", 0) >= calls,
        f"{calls} calls of {project} in the rollup",
        within=within,
    )


async def trail(door: Door, **wanted: Any) -> list[Row]:
    """The newest lines of the audit trail."""
    rows: list[Row] = (await door.ask("audit.list", limit=1000, **wanted))["audit"]
    return rows


async def quarantined(superuser: psycopg.AsyncConnection[Any], project: str | None) -> list[Row]:
    """The project's entries, straight from the table: the verb shows at most 1,000 of all."""
    found = await superuser.execute(
        "SELECT id, interaction_id, reason, size_bytes, sealed, retried_at FROM ingest.quarantine "
        "WHERE project IS NOT DISTINCT FROM %s ORDER BY id",
        [project],
    )
    names = [column.name for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]


async def held(
    superuser: psycopg.AsyncConnection[Any], project: str | None, count: int
) -> list[Row]:
    """The project's quarantine once it holds `count` entries."""
    return await until(
        lambda: quarantined(superuser, project),
        lambda rows: len(rows) >= count,
        f"{count} quarantine entries of {project}",
    )
