"""`list`, `show`, `review`, `audit`: what was recorded, who looked, what was decided."""

import sys
from typing import Any

import click

from sealbook.cli import show as out
from sealbook.cli.options import Door, asks, filter_options, json_option

_NUMBERS = ("in", "out", "cents")
_COLUMNS = ("id", "time", "project", "model", "status", *_NUMBERS, "review")


@click.command("list")
@click.option("--limit", default=20, show_default=True)
@click.option("--before", type=int, help="The `next` of the page before.")
@json_option
@filter_options
@asks
async def list_interactions(
    door: Door, wanted: dict[str, Any], limit: int, before: int | None, as_json: bool
) -> None:
    """List interactions, newest first."""
    reply = await door.ask("interaction.list", filter=wanted, limit=limit, before=before)
    if as_json:
        out.as_json({"interactions": reply["interactions"], "next": reply["next"]})
        return
    rows = [_readable(row) for row in reply["interactions"]]
    out.table(f"{len(rows)} interactions", _COLUMNS, rows, right=_NUMBERS)
    if reply["next"]:
        click.echo(f"More: add --before {reply['next']}")


@click.command("show")
@click.argument("interaction_id", metavar="ID")
@click.option("--payload", is_flag=True, help="Unseal the payload; this is put on the record.")
@asks
async def show(door: Door, interaction_id: str, payload: bool) -> None:
    """Show one interaction as JSON."""
    if payload:
        reply = await door.ask("interaction.open", id=interaction_id)
        out.as_json({"interaction": reply["interaction"], "reviews": reply["reviews"]})
        return
    reply = await door.ask("interaction.show", id=interaction_id)
    out.as_json(reply["interaction"])


@click.command("review")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option(
    "--state",
    required=True,
    type=click.Choice(["approved", "flagged", "rejected", "unreviewed"]),
)
@click.option("--comment", help="Why; it is sealed.")
@click.option("--expected-version", type=int, help="Refuse if somebody reviewed meanwhile.")
@json_option
@asks
async def review(door: Door, state: str, as_json: bool, **decision: Any) -> None:
    """Decide about interactions."""
    reply = await door.ask("review", state=state, **decision)
    failed = [result for result in reply["results"] if not result["ok"]]
    if as_json:
        out.as_json({"reviewed": reply["reviewed"], "results": reply["results"]})
    else:
        for result in failed:
            error = result["error"]
            click.echo(f"{result['id']}: {error['message']} {error['remedy']}", err=True)
        click.echo(f"{reply['reviewed']} {state}.")
    if failed:
        sys.exit(1)


@click.command("audit")
@click.option("--interaction", "interaction_id", help="About one interaction.")
@click.option("--of", "who", help="By one actor.")
@click.option("--limit", default=50, show_default=True)
@json_option
@asks
async def audit(
    door: Door, interaction_id: str | None, who: str | None, limit: int, as_json: bool
) -> None:
    """Show who did what, newest first."""
    reply = await door.ask("audit.list", interaction_id=interaction_id, actor=who, limit=limit)
    if as_json:
        out.as_json({"audit": reply["audit"], "next": reply["next"]})
        return
    columns = ("position", "time", "actor", "action", "about", "details")
    rows = [
        row
        | {"position": row["log_position"], "time": out.moment(row["at"])}
        | {"about": row["interaction_id"] or row["resource"]}
        for row in reply["audit"]
    ]
    out.table("Audit trail", columns, rows, right=("position",))


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "time": out.moment(row["occurred_at"]),
        "model": f"{row['provider']}/{row['model']}",
        "in": row["input_tokens"],
        "out": row["output_tokens"],
        "cents": out.cents(row["cost_total_cents"]),
        "review": row["review_state"],
    }
