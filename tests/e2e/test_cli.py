"""The command line as people and scripts use it: processes, exit codes, what is on which stream."""

import asyncio
import contextlib
import csv
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sending import CALL

from sealbook.cli.stack import SERVICES, Stack
from sealbook.contract.ids import new_id

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


@pytest.fixture
def cli(stack: Stack, tmp_path: Path) -> Cli:
    return Cli(stack.data, tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Five submissions."""
    path = tmp_path / "calls.jsonl"
    lines = [json.dumps({**CALL, "session_id": f"s-{n}", "tags": ["cli"]}) for n in range(5)]
    path.write_text("\n".join(lines) + "\n")
    return path


def shows(count: int) -> Callable[[Done], bool]:
    return lambda done: len(done.json["interactions"]) == count


async def recorded(cli: Cli, file: Path, project: str) -> list[dict[str, Any]]:
    assert (await cli("record", str(file), "--project", project)).code == 0
    done = await cli.until(shows(5), "list", "--project", project, "--json")
    rows: list[dict[str, Any]] = done.json["interactions"]
    return rows


async def test_a_file_recorded_twice_counts_once(cli: Cli, file: Path, project: str) -> None:
    first = await cli("record", str(file), "--project", project, "--json")
    assert (first.code, first.err) == (0, "")
    assert first.json == {"submitted": 5, "acknowledged": 5, "refused": []}
    second = await cli("record", str(file), "--project", project)
    assert second.code == 0
    assert second.out == "5 recorded, 0 refused.\n"
    await cli.until(shows(5), "list", "--project", project, "--json")
    rows = (await cli("rollup", "--by", "project", "--json")).json
    assert [row["calls"] for row in rows if row["project"] == project] == [5]


async def test_standard_input_is_recorded(cli: Cli, project: str) -> None:
    lines = [json.dumps(CALL)] * 5
    done = await cli("record", "-", "--project", project, stdin="\n".join(lines))
    assert (done.code, done.out) == (0, "5 recorded, 0 refused.\n")
    await cli.until(shows(5), "list", "--project", project, "--json")


async def test_lines_that_do_not_fit_are_named_and_the_others_recorded(
    cli: Cli, project: str
) -> None:
    lines = ["{", "[]", json.dumps({**CALL, "colour": 1}), json.dumps(CALL)]
    done = await cli("record", "-", "--project", project, stdin="\n".join(lines))
    assert (done.code, done.out) == (1, "1 recorded, 3 refused.\n")
    for number, named in ((1, "valid JSON"), (2, "not an object"), (3, "`colour`: unknown field")):
        assert re.search(rf"^line {number}: .*{named}", done.err, re.M)
    await cli.until(shows(1), "list", "--project", project, "--json")


async def test_list_show_and_audit_tell_what_was_recorded(
    cli: Cli, file: Path, project: str
) -> None:
    rows = await recorded(cli, file, project)
    one = rows[0]
    listed = await cli("list", "--project", project, "--session-id", "s-3")
    assert (listed.code, listed.err) == (0, "")
    assert "s-3" in str([row["session_id"] for row in rows])
    assert "gpt-4o-mini" in listed.out
    shown = await cli("show", one["id"])
    assert shown.json["id"] == one["id"]
    assert "request" not in shown.json
    opened = (await cli("show", one["id"], "--payload")).json["interaction"]
    assert opened["request"]["messages"][0]["content"] == "Write to [EMAIL], please."
    trail = await cli.until(
        lambda done: done.json["audit"], "audit", "--interaction", one["id"], "--json"
    )
    assert [line["action"] for line in trail.json["audit"]] == ["interaction.opened"]
    table = await cli("audit", "--interaction", one["id"])
    assert "interaction.opened" in table.out


async def test_reviews_are_made_and_conflicts_told(cli: Cli, file: Path, project: str) -> None:
    first, second, *_ = [row["id"] for row in await recorded(cli, file, project)]
    done = await cli(
        *("review", first, "--state", "approved", "--comment", "Fine.", "--expected-version", "0")
    )
    assert (done.code, done.out) == (0, "1 approved.\n")
    stale = await cli("review", first, "--state", "flagged", "--expected-version", "0")
    assert stale.code == 1
    assert stale.err.startswith(f"sealbook: Interaction {first} is at review version 1")
    both = await cli("review", first, second, str(new_id()), "--state", "rejected", "--json")
    assert both.code == 1
    assert both.json["reviewed"] == 2
    await cli.until(shows(2), "list", "--project", project, "--review-state", "rejected", "--json")


async def test_rollup_shows_sums_as_a_table_and_as_json(cli: Cli, file: Path, project: str) -> None:
    await recorded(cli, file, project)

    def mine(done: Done) -> list[dict[str, Any]]:
        return [row for row in done.json if row["project"] == project and row["calls"] == 5]

    done = await cli.until(mine, "rollup", "--by", "project,model", "--json")
    [row] = mine(done)
    assert (row["model"], row["input_tokens"]) == ("gpt-4o-mini", 5000)
    table = await cli("rollup", "--by", "project")
    assert project in table.out
    assert (await cli("rollup", "--from", "2001-01-01", "--to", "2001-01-02", "--json")).json == []


async def test_exports_are_requested_listed_and_downloaded(
    cli: Cli, file: Path, project: str
) -> None:
    await recorded(cli, file, project)
    asked = await cli("export", "request", "--format", "csv", "--project", project)
    assert asked.code == 0
    job_id, told = asked.out.splitlines()
    assert re.fullmatch(r"[0-9a-f]{32}", job_id)
    assert told.startswith("5 rows, ")
    got = await cli("export", "download", job_id, "--output", "mine.csv")
    assert got.out.startswith("mine.csv: 5 rows, ")
    assert got.out.endswith(", SHA-256 verified\n")
    content = (cli.folder / "mine.csv").read_bytes()
    row = (await cli("export", "show", job_id)).json
    assert hashlib.sha256(content).hexdigest() == row["sha256"]
    assert len(list(csv.reader(content.decode().splitlines()))) == 6
    listed = (await cli("export", "list", "--json")).json["exports"]
    assert job_id in {one["job_id"] for one in listed}
    assert job_id in (await cli("export", "list", "--limit", "1000")).out
    ended = await cli("export", "cancel", job_id)
    assert ended.code == 1
    assert "has ended already (export.completed)" in ended.err
    ndjson = await cli(
        *("export", "request", "--format", "jsonl", "--project", project, "--json"),
        *("--columns", "id,model", "--limit", "2"),
    )
    assert (ndjson.json["rows"], ndjson.json["truncated"]) == (2, True)
    await cli("export", "download", ndjson.json["job_id"])
    lines = (cli.folder / "sealbook-interactions.ndjson").read_text().splitlines()
    assert [set(json.loads(line)) for line in lines] == [{"id", "model"}] * 2


async def test_rebuild_compares_and_swaps(cli: Cli) -> None:
    for name in ("review", "rollup", "export"):
        told = await cli("rebuild", name)
        assert told.code == 0
        assert "equal to what was live" in told.out
    assert (await cli("rebuild", "rollup", "--json")).json["equal"] is True


async def test_status_tells_of_every_service(cli: Cli) -> None:
    done = await cli("status", "--json")
    assert [one["service"] for one in done.json] == sorted(SERVICES)
    table = await cli("status")
    assert all(name in table.out for name in SERVICES)


async def test_quarantine_is_listed_and_retried(cli: Cli, project: str) -> None:
    # The recorder looks at fields, not at whether the provider is told.
    line = json.dumps({"model": "m", "request": "nobody said whose"})
    assert (await cli("record", "-", "--project", project, stdin=line)).code == 0

    def mine(done: Done) -> list[dict[str, Any]]:
        return [entry for entry in done.json["entries"] if entry["project"] == project]

    done = await cli.until(mine, "quarantine", "list", "--limit", "1000", "--json")
    [entry] = mine(done)
    assert entry["reason"] == "incomplete"
    assert done.json["counts"]["incomplete"] >= 1
    retried = await cli("quarantine", "retry", str(entry["id"]))
    assert retried.code == 0
    assert retried.out.startswith("1 ")
    assert (await cli("quarantine", "list")).code == 0


@pytest.mark.parametrize(
    ("words", "actor", "code", "named"),
    [
        (["list"], "nobody", 1, "The password of 'nobody' cannot be read"),
        (["show", str(new_id())], None, 1, "There is no interaction"),
        (["status"], "reader", 1, "'reader' may not do 'status'"),
        (["audit"], "reviewer", 1, "'reviewer' may not do 'audit.list'"),
        (["show", "not-an-id"], None, 2, "`id`"),
        (["list", "--limit", "0"], None, 2, "`limit`"),
        (["list", "--from", "yesterday"], None, 2, "`filter.from`"),
        (["list", "--user", "u"], None, 2, "needs `project`"),
        (["list", "--nonsense"], None, 2, "No such option"),
        (["review", str(new_id())], None, 2, "--state"),
        (["export", "request", "--format", "pdf"], None, 2, "`format`"),
        (["export", "request", "--columns", "nonsense"], None, 2, "There is no column 'nonsense'"),
        (["rebuild", "nonsense"], None, 2, "'nonsense' is not one of"),
        (["record", "no-such-file", "--project", "p"], None, 2, "does not exist"),
        (["nonsense"], None, 2, "No such command"),
    ],
)
async def test_what_is_refused_is_told_on_stderr_with_exit_code_1_and_wrong_usage_with_2(
    cli: Cli, words: list[str], actor: str | None, code: int, named: str
) -> None:
    done = await cli(*words, actor=actor)
    assert done.code == code, done
    assert named in done.err
    assert done.out == ""
    assert "Traceback" not in done.err


async def test_without_a_sealbook_in_the_folder_commands_say_how_to_start_one(
    tmp_path: Path,
) -> None:
    done = await Cli(tmp_path / "none", tmp_path)("list")
    assert done.code == 1
    assert done.err.startswith(f"sealbook: There is no Sealbook in {tmp_path}/none. Start one")


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
