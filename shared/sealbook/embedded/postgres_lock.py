"""PostgreSQL's own lock file, after a crash: whether the process that it names is really there."""

import asyncio
import sys
import time
from pathlib import Path

from sealbook.errors import Misconfigured

# An immediate shutdown gives its processes 5 s, then kills them.
PATIENCE = 8.0


async def clear_stale_lock(data: Path, patience: float = PATIENCE) -> None:
    """Remove `postmaster.pid` when no PostgreSQL runs in `data`.

    The server itself only asks whether some process has that number. After a restart of a machine
    or a container, an unrelated one often has, and the server would refuse to start.
    """
    if sys.platform != "linux":
        return
    until = time.monotonic() + patience
    while users := postgres_processes(data):
        if time.monotonic() > until:
            numbers = ", ".join(map(str, users))
            raise Misconfigured(
                f"PostgreSQL still runs in {data} (process {numbers}).",
                remedy="End it before starting again.",
            )
        await asyncio.sleep(0.05)
    (data / "postmaster.pid").unlink(missing_ok=True)


def postgres_processes(data: Path) -> list[int]:
    """The numbers of PostgreSQL's processes whose working folder is `data`."""
    here = data.resolve()
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _serves(entry, here)]


def _serves(entry: Path, data: Path) -> bool:
    try:
        name = (entry / "comm").read_text().strip()
        return name == "postgres" and (entry / "cwd").readlink() == data
    except OSError:
        # Ended meanwhile, or another user's: the data folder lets no other user in.
        return False
