"""`sealbook demo`: the whole journey on a file of real exchanges, told as it happens.

Its last line is JSON on standard output; it exits with 0 only if every part of it is true.
"""

import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from sealbook.cli import show
from sealbook.cli.journey import Journey
from sealbook.cli.options import json_option


@click.command("demo")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Keep everything in this folder; without it a temporary one is used and removed.",
)
@json_option
def demo(file: Path, data: Path | None, as_json: bool) -> None:
    """Show the whole journey of FILE. From record to rebuild, on servers of its own."""
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sealbook-")))
        outcome = asyncio.run(Journey(file, folder, quiet=as_json).run())
    show.as_json(outcome.as_line())
    for wrong in outcome.problems():
        click.echo(f"sealbook demo: {wrong}", err=True)
    sys.exit(1 if outcome.problems() else 0)
