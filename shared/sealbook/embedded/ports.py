"""Free loopback ports, chosen by the kernel once and remembered for the next start."""

import contextlib
import json
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from sealbook.embedded.private_files import write_private
from sealbook.errors import Misconfigured

LOOPBACK = "127.0.0.1"
# A server that was killed a moment ago may still hold its port.
PATIENCE = 0.5


def remembered_ports(
    path: Path, names: Iterable[str], wanted: Mapping[str, int] | None = None
) -> dict[str, int]:
    """A port for each name: the one in the file at `path` if it is still free, else a new one.

    Raises `Misconfigured` when a `wanted` port is not free.
    """
    known = _read(path) | dict(wanted or {})
    until = time.monotonic() + PATIENCE
    with contextlib.ExitStack() as held:
        # All stay bound until all are chosen, so that none is given out twice.
        taken = {name: held.enter_context(_hold(known.get(name, 0), until)) for name in names}
        ports = {name: int(taken[name].getsockname()[1]) for name in taken}
    for name, port in (wanted or {}).items():
        if ports[name] != port:
            raise Misconfigured(
                f"Port {port} for {name} is in use by another program.",
                remedy="Choose another one, or none for a free one.",
            )
    if ports != known:
        write_private(path, json.dumps(ports, indent=2) + "\n")
    return ports


def _read(path: Path) -> dict[str, int]:
    try:
        return {str(name): int(port) for name, port in json.loads(path.read_text()).items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        # Lost or damaged: ports are a convenience, new ones will do.
        return {}


def _hold(port: int, until: float) -> socket.socket:
    while port:
        with contextlib.suppress(OSError, OverflowError):
            return _bound(port)
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    return _bound(0)


def _bound(port: int) -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # As the servers do: connections of the last run that linger in TIME_WAIT are no obstacle.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((LOOPBACK, port))
    except BaseException:
        held.close()
        raise
    return held
