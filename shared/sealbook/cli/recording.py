"""`sealbook record`: a file of submissions or provider exchanges, with a progress bar."""

import asyncio
import sys
from pathlib import Path
from typing import BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from sealbook.cli import show
from sealbook.cli.connection import Connection, find_connection
from sealbook.cli.options import data_option, json_option
from sealbook.cli.record_file import Summary, record_file
from sealbook.errors import Unavailable
from sealbook.recorder import Recorder
from sealbook.sealing.submission import PREFIX

SHOWN_REFUSALS = 20
PATIENCE_SECONDS = 60.0
"""A file can wait longer than an application: a restart of NATS must not stop it."""


@click.command("record")
@click.argument("file", type=click.Path(path_type=Path, exists=True, allow_dash=True))
@click.option("--project", required=True, help="Where the interactions belong.")
@click.option("--seal-to", help="The line of `sealbook keys public`, or a file that holds it.")
@data_option
@json_option
def record(file: Path, project: str, seal_to: str | None, data: Path, as_json: bool) -> None:
    """Record a file of JSON lines. Each line of FILE (or - for standard input) is a submission or a
    provider exchange.

    Recording a file again resumes: what the log has already is not counted twice.
    """
    connection = find_connection(data, "recorder")
    from_stdin = str(file) == "-"
    source = sys.stdin.buffer if from_stdin else file
    total = None if from_stdin else file.stat().st_size
    line = seal_to and _line_of(seal_to)
    summary = asyncio.run(_record(connection, source, total, project, line, quiet=as_json))
    if as_json:
        show.as_json(
            {
                "submitted": summary.submitted,
                "acknowledged": summary.acknowledged,
                "refused": [{"line": line, "error": why} for line, why in summary.refused],
            }
        )
    else:
        _tell(summary)
    if summary.stopped:
        raise Unavailable(
            f"Recording stopped. {summary.stopped}",
            remedy="Run the same command again to go on where it stopped.",
        )
    if summary.refused:
        sys.exit(1)


async def _record(
    connection: Connection,
    source: Path | BinaryIO,
    total: int | None,
    project: str,
    seal_to: str | None,
    *,
    quiet: bool,
) -> Summary:
    address = connection.address("recorder")
    columns = (TextColumn("recording"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("recording", total=total)
        async with Recorder(
            address.url,
            project=project,
            user=address.user,
            password=address.password,
            seal_to=seal_to,
            max_wait_s=PATIENCE_SECONDS,
        ) as recorder:
            return await record_file(
                recorder,
                source,
                project,
                on_progress=lambda done: progress.update(task, completed=done.bytes_read),
            )


def _line_of(seal_to: str) -> str:
    if seal_to.startswith(PREFIX):
        return seal_to
    try:
        return Path(seal_to).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{seal_to} cannot be read: {error}.") from None


def _tell(summary: Summary) -> None:
    for line, why in summary.refused[:SHOWN_REFUSALS]:
        click.echo(f"line {line}: {why}", err=True)
    more = len(summary.refused) - SHOWN_REFUSALS
    if more > 0:
        click.echo(f"… and {more} more lines were refused.", err=True)
    click.echo(f"{summary.acknowledged} recorded, {len(summary.refused)} refused.")
