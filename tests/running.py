"""`sealbook …` run as people and scripts do, and what it answers."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SEALBOOK = str(Path(sys.executable).parent / "sealbook")
DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """Runs `sealbook … --data DIR` in an empty folder."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.data = data
        self.folder = folder

    async def __call__(self, *words: str, actor: str | None = None, stdin: str = "") -> Done:
        options = ["--actor", actor] if actor else []
        return await asyncio.to_thread(self.run, [*words, *options], stdin)

    def run(self, words: list[str], stdin: str = "") -> Done:
        done = subprocess.run(
            [SEALBOOK, *words, "--data", str(self.data)],
            input=stdin,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    async def until(self, holds: Callable[[Done], object], *words: str) -> Done:
        """The first run whose answer holds; projections follow a moment later."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            done = await self(*words)
            if done.code == 0 and holds(done):
                return done
            if time.monotonic() > deadline:
                pytest.fail(f"{' '.join(words)} did not show it: {done}")


def shows(count: int) -> Callable[[Done], bool]:
    return lambda done: len(done.json["interactions"]) == count


async def recorded(cli: Cli, file: Path, project: str) -> list[dict[str, Any]]:
    assert (await cli("record", str(file), "--project", project)).code == 0
    done = await cli.until(shows(5), "list", "--project", project, "--json")
    rows: list[dict[str, Any]] = done.json["interactions"]
    return rows
