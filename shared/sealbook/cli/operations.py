"""`rebuild`, `quarantine`, `status`: what the people on call use."""

from typing import Any

import click

from sealbook.cli import show as out
from sealbook.cli.options import Door, asks, json_option

REBUILD_SECONDS = 24 * 3600.0


@click.command("rebuild")
@click.argument("projection", type=click.Choice(["review", "rollup", "export"]))
@click.option("--accept-difference", is_flag=True, help="Swap even if the digests differ.")
@json_option
@asks
async def rebuild(door: Door, projection: str, accept_difference: bool, as_json: bool) -> None:
    """Build a projection anew. From the log, compared by digest, swapped in one transaction."""
    wanted = {"projection": projection, "accept_difference": accept_difference}
    reply = await door.ask_patiently("projection.rebuild", REBUILD_SECONDS, wanted)
    if as_json:
        out.as_json({name: value for name, value in reply.items() if name != "ok"})
        return
    verdict = {
        True: "equal to what was live",
        False: "DIFFERENT from what was live",
        None: "not compared: another version of the projector wrote what was live",
    }[reply["equal"]]
    click.echo(
        f"{projection}: {reply['events']} events in {reply['seconds']:.2f} s, up to position "
        f"{reply['position']}; {verdict}; generation {reply['generation']} serves."
    )
    for table, digest in reply["digests"].items():
        click.echo(f"  {table}: {digest}")


@click.group("quarantine")
def quarantine() -> None:
    """What could not be recorded."""


@quarantine.command("list")
@click.option("--limit", default=100, show_default=True)
@json_option
@asks
async def list_quarantine(door: Door, limit: int, as_json: bool) -> None:
    """List what is held, oldest first; the content stays sealed."""
    reply = await door.ask("quarantine.list", limit=limit)
    if as_json:
        out.as_json({"entries": reply["entries"], "counts": reply["counts"]})
        return
    columns = ("id", "time", "project", "reason", "bytes", "interaction_id")
    rows = [
        entry | {"time": out.moment(entry["stored_at"]), "bytes": entry["size_bytes"]}
        for entry in reply["entries"]
    ]
    out.table("Quarantine", columns, rows, right=("id", "bytes"))


@quarantine.command("retry")
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@asks
async def retry(door: Door, ids: tuple[int, ...]) -> None:
    """Try entries (all, without IDs) again; they count when the bus first had them."""
    reply = await door.ask("quarantine.retry", ids=ids, limit=1000)
    click.echo(f"{reply['retried']} tried again, {reply['recorded']} of them recorded.")


@click.command("status")
@json_option
@asks
async def status(door: Door, as_json: bool) -> None:
    """Show which services answer, and where they stand."""
    services = sorted(await door.gather("status"), key=lambda reply: str(reply["service"]))
    told = [{name: value for name, value in one.items() if name != "ok"} for one in services]
    if as_json:
        out.as_json(told)
        return
    rows = [{"service": one["service"], "state": _details(one)} for one in told]
    out.table("Services", ("service", "state"), rows, right=())


def _details(one: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {out.cell(value)}" for name, value in one.items() if name != "service"
    )
