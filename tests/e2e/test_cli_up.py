"""`sealbook up` as a process of its own: killed services, signals, and what is left behind."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import DEADLINE_S, SEALBOOK, Cli, recorded, shows
from sending import CALL

from sealbook.cli.stack import SERVICES


def processes() -> dict[int, str]:
    """All processes of this machine, the dead excepted: number → command line."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")
    return found


def below(pid: int) -> dict[int, str]:
    """The process and all that it started: number → command line."""
    parents = {}
    for number in processes():
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{number}/stat").read_text()
            parents[number] = int(stat.rpartition(")")[2].split()[1])
    found = {pid}
    while more := {number for number, parent in parents.items() if parent in found} - found:
        found |= more
    return {number: line for number, line in processes().items() if number in found}


class Up:
    """`sealbook up` in a folder."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.cli = Cli(data, folder)
        self._log = (folder / "up.log").open("ab")
        self._out = folder / "up.out"
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._out.open("wb") as out:
            self._running = subprocess.Popen(
                [SEALBOOK, "up", "--data", str(self.cli.data)],
                stdout=out,
                stderr=self._log,
                cwd=self.cli.folder,
            )
        self._wait(lambda: "Sealbook is up." in self._out.read_text(), "it to be up")

    @property
    def pids(self) -> dict[int, str]:
        assert self._running is not None
        return below(self._running.pid)

    def kill(self, service: str) -> None:
        [pid] = [pid for pid, line in self.pids.items() if f"services.{service}\0" in line]
        os.kill(pid, signal.SIGKILL)
        self._wait(
            lambda: any(
                f"services.{service}\0" in line and number != pid
                for number, line in self.pids.items()
            ),
            f"{service} to be started again",
        )

    def stop(self, number: signal.Signals) -> int:
        """The exit code; nothing that it started may be left."""
        assert self._running is not None
        started = self.pids
        self._running.send_signal(number)
        code = self._running.wait(timeout=DEADLINE_S)
        self._running = None
        left = {pid: line for pid, line in processes().items() if started.get(pid) == line}
        assert left == {}
        return code

    def close(self) -> None:
        self._log.close()
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    def _wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not holds():
            assert self._running is not None
            assert self._running.poll() is None, "sealbook up ended by itself"
            assert time.monotonic() < deadline, f"waited {DEADLINE_S:.0f} s for {what}"
            time.sleep(0.05)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    (tmp_path / "data").mkdir(mode=0o700)
    made = Up(tmp_path / "data", tmp_path)
    yield made
    made.close()


async def test_up_survives_a_killed_service_keeps_data_and_stops_cleanly(
    up: Up, file: Path, project: str
) -> None:
    up.start()
    await recorded(up.cli, file, project)
    for service in ("ingest", "review"):
        up.kill(service)
    await up.cli.until(lambda done: len(done.json) == len(SERVICES), "status", "--json")
    assert (await up.cli("record", "-", "--project", project, stdin=json.dumps(CALL))).code == 0
    await up.cli.until(shows(6), "list", "--project", project, "--json")
    assert up.stop(signal.SIGINT) == 0

    up.start()
    await up.cli.until(shows(6), "list", "--project", project, "--json")
    assert (await up.cli("rebuild", "review", "--json")).json["equal"] is True
    assert up.stop(signal.SIGTERM) == 0


async def test_up_says_that_the_folder_is_in_use(up: Up) -> None:
    up.start()
    second = await up.cli("up")
    assert second.code == 1
    assert "is in use by process" in second.err
    assert up.stop(signal.SIGINT) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_interrupted_while_it_starts_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    quiet = subprocess.DEVNULL
    running = subprocess.Popen([SEALBOOK, "up", "--data", str(data)], stdout=quiet, stderr=quiet)
    deadline = time.monotonic() + DEADLINE_S
    while len(below(running.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    started = below(running.pid)
    running.send_signal(number)
    assert running.wait(DEADLINE_S) == 0
    assert {pid for pid, line in processes().items() if started.get(pid) == line} == set()
    assert not any(str(data) in line for line in processes().values())
