"""`sealbook export`: request a file, watch it, fetch it and check it."""

import asyncio
import hashlib
import urllib.request
from pathlib import Path
from typing import Any

import click

from sealbook.cli import show as out
from sealbook.cli.options import Door, asks, filter_options, json_option
from sealbook.contract.replies import CommandFailed
from sealbook.errors import NotFound, SealBroken, Unavailable

POLL_SECONDS = 0.2
_COLUMNS = ("job_id", "state", "format", "rows", "size_bytes", "position", "actor")


@click.group("export")
def export() -> None:
    """Request, list, cancel and download files."""


@export.command("request")
@click.option("--format", "file_format", default="csv", show_default=True)
@click.option("--columns", help="Names, separated by commas.")
@click.option("--limit", type=int)
@click.option("--name")
@click.option("--no-payloads", is_flag=True, help="Leave sealed columns empty.")
@click.option("--as-of", type=int, help="Log position.")
@click.option("--idempotency-key")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Until it is complete.")
@json_option
@filter_options
@asks
async def request(door: Door, wanted: dict[str, Any], wait: bool, as_json: bool, **o: Any) -> None:
    """Ask for a file of interactions; prints the id of the job."""
    body = {
        "format": o["file_format"],
        "filter": wanted,
        "columns": o["columns"].split(",") if o["columns"] else None,
        "payloads": not o["no_payloads"],
        **{name: o[name] for name in ("limit", "name", "as_of", "idempotency_key")},
    }
    said = {name: value for name, value in body.items() if value is not None}
    job_id = (await door.ask("export.request", **said))["job_id"]
    row = await wait_until_ended(door, job_id) if wait else {"job_id": job_id}
    if as_json:
        out.as_json(row)
        return
    click.echo(job_id)
    if wait:
        click.echo(f"{row['rows']} rows, {row['size_bytes']} bytes, SHA-256 {row['sha256']}")


@export.command("list")
@click.option("--limit", default=20, show_default=True)
@json_option
@asks
async def list_exports(door: Door, limit: int, as_json: bool) -> None:
    """List jobs, newest first."""
    reply = await door.ask("export.list", limit=limit)
    if as_json:
        out.as_json({"exports": reply["exports"], "next": reply["next"]})
        return
    out.table("Exports", _COLUMNS, reply["exports"], right=("rows", "size_bytes", "position"))


@export.command("show")
@click.argument("job_id")
@asks
async def show(door: Door, job_id: str) -> None:
    """Show one job as JSON."""
    out.as_json((await door.ask("export.show", job_id=job_id))["export"])


@export.command("cancel")
@click.argument("job_id")
@asks
async def cancel(door: Door, job_id: str) -> None:
    """Call a job off."""
    reply = await door.ask("export.cancel", job_id=job_id)
    click.echo(f"{job_id}: {reply['ended_by']}")


@export.command("download")
@click.argument("job_id", required=False)
@click.option("--output", type=click.Path(path_type=Path), help="File or folder to write to.")
@asks
async def download(door: Door, job_id: str | None, output: Path | None) -> None:
    """Fetch a file (the newest, without JOB_ID) and check its SHA-256."""
    reply = await door.ask("export.download", job_id=job_id or await _newest(door))
    target = _target(output or Path(), reply["filename"])
    await asyncio.to_thread(fetch, reply["url"], target, reply["sha256"])
    click.echo(f"{target}: {reply['rows']} rows, {reply['size_bytes']} bytes, SHA-256 verified")


async def wait_until_ended(door: Door, job_id: str) -> dict[str, Any]:
    """The job's row once it is complete. Raises Unavailable when it failed or was cancelled."""
    while True:
        try:
            row: dict[str, Any] = (await door.ask("export.show", job_id=job_id))["export"]
        except Unavailable:
            pass  # the service restarts; the job goes on
        except CommandFailed as error:
            if error.code != NotFound.code:
                raise
        else:
            if row["state"] == "completed":
                return row
            if row["state"] != "requested":
                why = row["error_code"] or ""
                raise Unavailable(f"Export {job_id} is {row['state']} {why}".rstrip() + ".")
        await asyncio.sleep(POLL_SECONDS)


def fetch(url: str, target: Path, sha256: str) -> None:
    """Write what is behind `url` to `target`, which appears only when its checksum is right."""
    digest = hashlib.sha256()
    part = target.with_name(target.name + ".part")
    with urllib.request.urlopen(url) as source, part.open("wb") as file:  # noqa: S310 from our bus
        while chunk := source.read(2**20):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != sha256:
        part.unlink()
        raise SealBroken(
            f"The file has SHA-256 {digest.hexdigest()}, the log says {sha256}.",
            remedy="Request the export again.",
        )
    part.replace(target)


async def _newest(door: Door) -> str:
    for row in (await door.ask("export.list", limit=100))["exports"]:
        if row["state"] == "completed":
            return str(row["job_id"])
    raise NotFound("There is no completed export.", remedy="Make one: `sealbook export request`.")


def _target(output: Path, filename: str) -> Path:
    return output / filename if output.is_dir() else output
