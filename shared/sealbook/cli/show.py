"""What commands print: a table for people, JSON for programs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table

console = Console()


def as_json(value: Any) -> None:
    """One line of JSON."""
    click.echo(to_json(value).decode())


def table(
    title: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, right: Sequence[str]
) -> None:
    """Print a table; `right` names the columns of numbers."""
    console.print(as_table(title, columns, rows, right=right))


def as_table(
    title: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, right: Sequence[str]
) -> Table:
    """A table for a console of one's own."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    for name in columns:
        shown.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(cell(row.get(name)) for name in columns))
    return shown


def cell(value: Any) -> str:
    """A value as people read it; unknown is a dash, never a zero."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def cents(value: Any) -> str:
    """Money as people read it: cents with four decimals at the most."""
    if value is None:
        return "–"
    text = f"{float(value):,.4f}".rstrip("0").rstrip(".")
    return text or "0"
