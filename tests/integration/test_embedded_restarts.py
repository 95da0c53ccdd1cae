"""The three embedded servers, stopped, crashed and started again: data stays, nothing else does."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from embedding import AUTHORIZATION, NAMES, assert_traces, descendants, leave_traces, socket_files

from sealbook.embedded import EmbeddedServers
from sealbook.embedded.postgres_lock import clear_stale_lock
from sealbook.errors import Misconfigured, Unavailable

SHARED = Path(__file__).parents[2] / "shared"


async def test_data_ports_and_credentials_survive_a_restart(tmp_path: Path) -> None:
    servers = EmbeddedServers(tmp_path / "data")
    before = await servers.start(authorization=AUTHORIZATION)
    await leave_traces(before)
    await servers.stop()
    try:
        after = await servers.start(authorization=AUTHORIZATION)
        assert after == before
        await assert_traces(after)
    finally:
        await servers.stop()


async def test_data_survives_the_loss_of_every_port(tmp_path: Path) -> None:
    servers = EmbeddedServers(tmp_path / "data")
    await leave_traces(await servers.start(authorization=AUTHORIZATION))
    await servers.stop()
    known = tmp_path / "data" / "ports.json"
    before = json.loads(known.read_text())
    with contextlib.ExitStack() as others:
        for port in before.values():
            others.enter_context(socket.create_server(("127.0.0.1", port)))
        try:
            await assert_traces(await servers.start(authorization=AUTHORIZATION))
        finally:
            await servers.stop()
    assert set(json.loads(known.read_text()).values()).isdisjoint(before.values())


async def test_stop_leaves_no_process_and_no_socket_file(tmp_path: Path) -> None:
    before = descendants()
    servers = EmbeddedServers(tmp_path / "data")
    await servers.start(authorization=AUTHORIZATION)
    assert len(descendants() - before) > len(NAMES)
    await servers.stop()
    assert descendants() - before == set()
    ports = json.loads((servers.data / "ports.json").read_text()).values()
    assert socket_files(ports) == []


async def test_a_failed_start_names_the_server_and_leaves_nothing(tmp_path: Path) -> None:
    before = descendants()
    servers = EmbeddedServers(tmp_path / "data")
    with pytest.raises(Unavailable, match=r"(?s)nats ended at its start.*auth\.conf"):
        await servers.start(authorization="authorization {")
    assert descendants() - before == set()
    # The folder is free again, and a half-made cluster is no obstacle.
    try:
        await servers.start(authorization=AUTHORIZATION)
    finally:
        await servers.stop()


async def test_after_a_crash_of_everything_the_next_start_finds_all(tmp_path: Path) -> None:
    script = tmp_path / "up.py"
    script.write_text(
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(SHARED)!r})\n"
        "from pathlib import Path\n"
        "from sealbook.embedded import EmbeddedServers\n"
        "async def main():\n"
        "    servers = EmbeddedServers(Path(sys.argv[1]))\n"
        "    await servers.start(authorization=sys.argv[2])\n"
        f"    print(*map(servers.supervisor.pid, {NAMES!r}), flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    data = tmp_path / "data"
    # Leave something to find, then let another process run the servers and be killed.
    servers = EmbeddedServers(data)
    await leave_traces(await servers.start(authorization=AUTHORIZATION))
    await servers.stop()
    command = [sys.executable, str(script), str(data), AUTHORIZATION]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as it:  # noqa: ASYNC220
        assert it.stdout is not None
        pids = (await asyncio.to_thread(it.stdout.readline)).split()
        assert len(pids) == len(NAMES)
        it.send_signal(signal.SIGKILL)
        it.wait()
    try:
        await assert_traces(await servers.start(authorization=AUTHORIZATION))
    finally:
        await servers.stop()


async def test_a_lock_of_a_reused_process_number_is_removed(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n")
    await clear_stale_lock(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


async def test_a_folder_open_to_others_that_holds_other_files_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    (home / "letter.txt").touch()
    with pytest.raises(Misconfigured, match="holds other files"):
        await EmbeddedServers(home).start(authorization=AUTHORIZATION)
    assert home.stat().st_mode & 0o777 == 0o755
