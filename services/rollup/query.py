"""`rollup.query`: the daily rows summed by what the caller asks for."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from sealbook.contract.commands import QueryRollup
from sealbook.projection.published import daily
from sealbook.runtime.process import Process

_COLUMNS = {
    "day": daily.c.date,
    "provider": daily.c.provider,
    "model": daily.c.model,
    "project": daily.c.project,
}
_COUNTS = (
    "calls",
    "errors",
    "input_tokens",
    "output_tokens",
    "unknown_usage_count",
    "unknown_cost_count",
)
_SUMS = (*_COUNTS, "cost_total_cents", "latency_ms_sum", "latency_count")


@dataclass(frozen=True, slots=True)
class Query:
    """The verb; a caller sees the projects that it may see."""

    process: Process

    async def query(self, actor: str, command: QueryRollup) -> dict[str, Any]:
        projects = self.process.policy.authorized_projects(actor, "rollup.query", None)
        rows = await self.process.database.run(_read, command, projects)
        return {"rows": rows}


def statement(command: QueryRollup, projects: frozenset[str] | None) -> Select[Any]:
    """Sums by the wanted dimensions and always by currency: currencies do not add up."""
    by = [_COLUMNS[name].label(name) for name in command.by] + [daily.c.currency]
    sums = [func.sum(daily.c[name]).label(name) for name in _SUMS]
    query = select(*by, *sums).group_by(*by).order_by(*by)
    if projects is not None:
        query = query.where(daily.c.project.in_(projects))
    if command.since is not None:
        query = query.where(daily.c.date >= command.since)
    if command.until is not None:
        query = query.where(daily.c.date < command.until)
    return query


def _read(
    connection: Connection, command: QueryRollup, projects: frozenset[str] | None
) -> list[dict[str, Any]]:
    rows = connection.execute(statement(command, projects)).mappings()
    return [_shown(dict(row)) for row in rows]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    total, count = row.pop("latency_ms_sum"), row.pop("latency_count")
    row["average_latency_ms"] = float(round(total / count, 3)) if count else None
    # sum() of bigint is numeric in PostgreSQL.
    return row | {name: int(row[name]) for name in _COUNTS if row[name] is not None}
