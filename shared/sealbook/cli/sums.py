"""`sealbook rollup`: daily sums as a table."""

from typing import Any

import click

from sealbook.cli import show as out
from sealbook.cli.options import Door, asks, json_option

_DIMENSIONS = ("day", "provider", "model", "project")
_NUMBERS = ("calls", "errors", "in", "out", "cents", "unknown_cost", "average_ms")


@click.command("rollup")
@click.option("--from", "since", help="First day, for example 2026-11-01.")
@click.option("--to", "until", help="Day after the last one.")
@click.option("--by", default=",".join(_DIMENSIONS), show_default=True, help="Dimensions.")
@json_option
@asks
async def rollup(door: Door, since: str | None, until: str | None, by: str, as_json: bool) -> None:
    """Sum calls, tokens and cost by day, provider, model, project."""
    dimensions = [name.strip() for name in by.split(",") if name.strip()]
    body = {"from": since, "to": until, "by": dimensions}
    reply = await door.ask("rollup.query", **{k: v for k, v in body.items() if v is not None})
    if as_json:
        out.as_json(reply["rows"])
        return
    rows = [_readable(row) for row in reply["rows"]]
    out.table("Rollup (UTC days)", (*dimensions, "currency", *_NUMBERS), rows, right=_NUMBERS)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "in": row["input_tokens"],
        "out": row["output_tokens"],
        "cents": out.cents(row["cost_total_cents"]),
        "unknown_cost": row["unknown_cost_count"],
        "average_ms": row["average_latency_ms"],
    }
