"""Options that many commands share: where the bus is, as whom, the filter, JSON or a table."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from sealbook.cli.connection import DEFAULT_DATA, Door, door, find_connection

F = TypeVar("F", bound=Callable[..., Any])
Action = Callable[..., Awaitable[None]]

_FILTER = {
    "project": "one project",
    "provider": "openai, anthropic, …",
    "model": "name, * and ? match",
    "status": "success, error or canceled",
    "review_state": "unreviewed, approved, flagged or rejected",
    "tag": "one tag",
    "session_id": "one session",
    "parent_id": "children of an interaction",
    "user": "one user (needs --project)",
    "agent": "one agent",
    "tool": "a tool that was called",
    "error_class": "class of the error",
    "from": "RFC 3339 or date, inclusive",
    "to": "RFC 3339 or date, exclusive",
    "min_cost": "at least so much, in currency units",
    "min_latency_ms": "at least so slow",
    "redacted": "name of a redaction rule that hit",
}


def data_option(command: F) -> F:
    """--data: the folder of `sealbook up`."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        default=DEFAULT_DATA,
        show_default=True,
        envvar="SEALBOOK_DATA",
        help="The data folder of `sealbook up`.",
    )(command)


def json_option(command: F) -> F:
    """--json: what a program wants to read."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def filter_options(command: F) -> F:
    """The filter's fields as options; the command gets those given as `wanted`."""

    @wraps(command)
    def with_filter(**options: Any) -> Any:
        given = {name: options.pop(f"filter_{name}") for name in _FILTER}
        wanted = {name: value for name, value in given.items() if value is not None}
        return command(wanted=wanted, **options)

    wrapped: Any = with_filter
    for name, help_text in reversed(_FILTER.items()):
        flag = f"--{name.replace('_', '-')}"
        wrapped = click.option(flag, f"filter_{name}", help=help_text)(wrapped)
    return wrapped  # type: ignore[no-any-return]


def asks(action: Action) -> Callable[..., None]:
    """A command that asks services: adds --data and --actor, hands the action a door."""

    @data_option
    @click.option(
        "--actor", default="admin", show_default=True, envvar="SEALBOOK_ACTOR", help="Who asks."
    )
    @wraps(action)
    def command(data: Path, actor: str, **options: Any) -> None:
        async def ask() -> None:
            async with door(find_connection(data, actor)) as opened:
                await action(opened, **options)

        asyncio.run(ask())

    return command


__all__ = ["Door", "asks", "data_option", "filter_options", "json_option"]
