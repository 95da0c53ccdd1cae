"""`keys`: key-encryption keys."""

import asyncio
import sys
from pathlib import Path
from typing import Any, TextIO

import click

from sealbook.cli import show as out
from sealbook.cli.options import Door, asks, json_option
from sealbook.contract.replies import CommandFailed
from sealbook.errors import Conflict, KeyUnavailable, Unavailable
from sealbook.sealing.key_file import create_key_file, read_keys, rotate_key_file
from sealbook.sealing.submission import PREFIX, SealTo

POLL_SECONDS = 0.5
_KEY_COLUMNS = ("kek_id", "purpose", "project", "keys")
_ROTATION_COLUMNS = ("started", "actor", "kek_id", "keys", "rewrapped", "remaining", "completed")
_TIMES = ("started", "completed")
_ELSEWHERE = ("vault:", "aws-kms:")


@click.group("keys")
def keys() -> None:
    """Key-encryption keys."""


@keys.command("init")
@click.argument("file", type=click.Path(path_type=Path))
def init(file: Path) -> None:
    """Make FILE with a fresh key, readable by you alone. Never overwrites one."""
    if file.exists():
        raise click.UsageError(f"{file} exists; a key file is never overwritten.")
    create_key_file(file)
    click.echo(f"{file} is ready. Keep a copy elsewhere: without it no payload can be opened.")


@keys.command("public")
@click.option("--out", type=click.File("w"), default="-", help="Write it to this file.")
@asks
async def public(door: Door, out: TextIO) -> None:
    """Print what to seal submissions to: ingest's public key, as one line."""
    reply = await door.ask("keys.public")
    line = SealTo.read(f"{PREFIX}:{reply['key_id']}:{reply['public_key']}")
    click.echo(str(line), file=out)


@keys.command("list")
@json_option
@asks
async def list_keys(door: Door, as_json: bool) -> None:
    """Show which key-encryption key is active, what wraps the data keys, the last rotations."""
    reply = await door.ask("keys.list")
    if as_json:
        out.as_json({name: reply[name] for name in ("active", "keys", "rotations")})
        return
    click.echo(f"Active: {reply['active']}")
    out.table("Data keys", _KEY_COLUMNS, reply["keys"], right=("keys",))
    rows = [
        row | {name: row[f"{name}_at"] and out.moment(row[f"{name}_at"]) for name in _TIMES}
        for row in reply["rotations"]
    ]
    out.table("Rotations", _ROTATION_COLUMNS, rows, right=("keys", "rewrapped", "remaining"))


@keys.command("rotate")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    help="The services' key file; without it that of the data folder.",
)
@click.option("--rewrap-only", is_flag=True, help="The new key is there already: make none.")
@click.option("--wait/--no-wait", default=True, show_default=True)
@asks
async def rotate(door: Door, key_file: Path | None, rewrap_only: bool, wait: bool) -> None:
    """Wrap all data keys under a new key-encryption key; no event is touched.

    A key file gets a fresh key first. In Vault or AWS KMS make the new key there, then run this.
    """
    wanted = {}
    if not rewrap_only and (file := await _file_in_use(door, key_file)):
        wanted = {"kek_id": _renewed(file)}
    elif key_file:
        wanted = {"kek_id": read_keys(key_file).active}
    try:
        rotation = (await door.ask("keys.rotate", **wanted))["rotation"]
    except CommandFailed as error:
        if error.code != Conflict.code:
            raise
        raise Conflict(
            error.message,
            remedy="Bring the key file with the new key to all services; once they see it, run "
            "`sealbook keys rotate --rewrap-only --key-file` with it.",
        ) from None
    if not wait:
        click.echo(f"{rotation['keys']} data keys are being wrapped under {rotation['kek_id']}.")
        return
    _tell_end(await _ended(door, rotation["id"]))


async def _file_in_use(door: Door, named: Path | None) -> Path | None:
    """The key file that the services use, None when they use none.

    Raises Conflict when it is not here: a key in another file would be of no use to them.
    """
    file = named or click.get_current_context().params["data"] / "secrets" / "keys" / "kek.json"
    active = (await door.ask("keys.list"))["active"]
    if (named or file.exists()) and read_keys(file).active == active:
        return file
    if named is None and active.startswith(_ELSEWHERE):
        return None
    raise Conflict(
        f"The services use the key {active!r}, which is not the active one of {file}.",
        remedy="Name their key file with --key-file; if it was rotated already, use --rewrap-only.",
    )


def _renewed(file: Path) -> str:
    key_id = rotate_key_file(file)
    click.echo(f"{file} has the new key {key_id}. Keep a copy of the file elsewhere.")
    return key_id


async def _ended(door: Door, rotation_id: str) -> dict[str, Any]:
    while True:
        try:
            listed: list[dict[str, Any]] = (await door.ask("keys.list"))["rotations"]
        except (CommandFailed, Unavailable) as error:
            if not error.retryable:
                raise
            listed = []  # ingest restarts, or a server is away; the rotation goes on
        for row in listed:
            if row["id"] == rotation_id:
                if row["completed_at"]:
                    return row
                if sys.stderr.isatty():
                    click.echo(f"\r{row['rewrapped']} of {row['keys']} ", nl=False, err=True)
        await asyncio.sleep(POLL_SECONDS)


def _tell_end(row: dict[str, Any]) -> None:
    if row["rewrapped"] or row["remaining"]:
        told = f"{row['rewrapped']} data keys are wrapped under {row['kek_id']} now"
    else:
        told = f"All data keys were wrapped under {row['kek_id']} before"
    click.echo(f"{told}; no event was touched.")
    if row["remaining"]:
        raise KeyUnavailable(
            f"{row['remaining']} data keys stay under others.",
            remedy="`sealbook keys list` names those; where one was lost, restore it, then run "
            "`sealbook keys rotate --rewrap-only`.",
        )
