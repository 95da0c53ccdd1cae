"""`keys`: key-encryption keys."""

from pathlib import Path

import click

from sealbook.sealing.key_file import create_key_file


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
