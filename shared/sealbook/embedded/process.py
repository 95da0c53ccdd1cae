"""What a supervisor is told about one process: the command, its surroundings, and when it is up."""

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

Step = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system, by number."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Process:
    """One supervised command; `argv[0]` is an absolute path and `env` the whole environment.

    `before` runs ahead of every launch. `ready` is asked again and again after it: it returns once
    the process serves, and raises `Unavailable` or `OSError` while it does not. Times in seconds.
    """

    name: str
    argv: tuple[str, ...]
    env: dict[str, str]
    ready: Step | None = None
    before: Step | None = None
    cwd: Path | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    start_timeout: float = 30.0
    stop_timeout: float = 10.0


def plain_environment(home: Path) -> dict[str, str]:
    """An environment with nothing inherited that could configure a server behind our back."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }
