"""What commands print: a table for people, JSON for programs."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import click
from pydantic_core import to_json
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 120
_PROSE = {"details", "state", "model"}
"""Columns that may be broken into lines; ids and times are to be copied."""


def console(*, quiet: bool = False) -> Console:
    """As wide as the terminal; wide enough for an id beside its columns where there is none."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(quiet=quiet, soft_wrap=True, width=PIPED_WIDTH if piped else None)


def as_json(value: Any) -> None:
    """One line of JSON."""
    click.echo(to_json(value).decode())


def table(
    title: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, right: Sequence[str]
) -> None:
    """Print a table; `right` names the columns of numbers."""
    console().print(as_table(title, columns, rows, right=right))


def as_table(
    title: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, right: Sequence[str]
) -> Table:
    """A table for a console of one's own."""
    shown = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for name in columns:
        align: Literal["right", "left"] = "right" if name in right else "left"
        shown.add_column(
            name.replace("_", " "), justify=align, overflow="fold", no_wrap=name not in _PROSE
        )
    for row in rows:
        shown.add_row(*(cell(row.get(name)) for name in columns))
    return shown


def cell(value: Any) -> str:
    """A value as people read it; unknown is a dash, never a zero."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items()) or "none"
    return str(value)


def moment(text: str) -> str:
    """A time as people read it: UTC, to the second."""
    return text[:19].replace("T", " ")


def cents(value: Any) -> str:
    """Money as people read it: cents with four decimals at the most."""
    if value is None:
        return "–"
    text = f"{float(value):,.4f}".rstrip("0").rstrip(".")
    return text or "0"
