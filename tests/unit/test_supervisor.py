"""The supervisor, with small processes instead of servers."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sealbook.embedded import Process, Supervisor, plain_environment
from sealbook.errors import Misconfigured, NotFound, Unavailable

FOREVER = "import time; time.sleep(600)"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True);"
    + FOREVER
)
POLITE = (
    "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit()));"
    "print('up', flush=True); signal.pause()"
)
TALKING = (
    "import sys; print('one'); print('two', file=sys.stderr); sys.stdout.write('thr');"
    f"sys.stdout.flush(); print('ee', flush=True); {FOREVER}"
)
BABBLING = (
    "import sys; sys.stdout.buffer.write(b'\\xff' + b'x' * 300_000); sys.stdout.flush();" + FOREVER
)
PARENT = (
    f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {FOREVER!r}]);"
    "print(child.pid, flush=True); child.wait()"
)
SHARED = Path(__file__).parents[2] / "shared"


def python(
    name: str,
    code: str,
    *,
    ready: Callable[[], Awaitable[None]] | None = None,
    start_timeout: float = 10.0,
    stop_timeout: float = 10.0,
) -> Process:
    return Process(
        name=name,
        argv=(sys.executable, "-I", "-c", code),
        env=plain_environment(Path("/")),
        ready=ready,
        start_timeout=start_timeout,
        stop_timeout=stop_timeout,
    )


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def until(true: Callable[[], bool], within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
async def supervisor(log: io.StringIO) -> AsyncIterator[Supervisor]:
    it = Supervisor(log)
    yield it
    await it.stop()


async def test_a_dead_process_is_started_again(supervisor: Supervisor, log: io.StringIO) -> None:
    await supervisor.start(python("worker", FOREVER))
    first = supervisor.pid("worker")
    await supervisor.kill("worker")
    await supervisor.wait_ready("worker", within=10)
    assert supervisor.pid("worker") != first
    assert alive(supervisor.pid("worker"))
    assert not alive(first)
    assert (
        "supervisor | worker ended (signal SIGKILL); starting it again in 0.2 s" in log.getvalue()
    )


async def test_repeated_deaths_are_spaced_out(supervisor: Supervisor, log: io.StringIO) -> None:
    await supervisor.start(python("worker", "raise SystemExit(3)"))
    await until(lambda: log.getvalue().count("exit code 3") == 3)
    assert [f"in {delay} s" in log.getvalue() for delay in ("0.2", "0.4", "0.8")] == [True] * 3


async def test_every_line_carries_the_name(supervisor: Supervisor, log: io.StringIO) -> None:
    await supervisor.start(python("worker", TALKING))
    await until(lambda: "three" in log.getvalue())
    assert sorted(log.getvalue().splitlines()) == ["worker | one", "worker | three", "worker | two"]


async def test_a_line_without_end_and_broken_text_are_logged(
    supervisor: Supervisor, log: io.StringIO
) -> None:
    await supervisor.start(python("worker", BABBLING))
    await until(lambda: log.getvalue().count("x") > 200_000)
    assert log.getvalue().startswith("worker | �x")


async def test_lines_go_to_a_private_file(tmp_path: Path) -> None:
    supervisor = Supervisor(log_file=tmp_path / "log")
    await supervisor.start(python("worker", f"print('hello', flush=True); {FOREVER}"))
    await until((tmp_path / "log").exists)
    await supervisor.stop()
    assert (tmp_path / "log").read_text() == "worker | hello\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


async def test_start_waits_until_ready(supervisor: Supervisor) -> None:
    asked: list[float] = []

    async def ready() -> None:
        asked.append(time.monotonic())
        if len(asked) < 4:
            raise Unavailable("Not yet.")

    await supervisor.start(python("worker", FOREVER, ready=ready))
    assert len(asked) == 4


async def test_an_end_during_start_is_reported_with_its_last_words(supervisor: Supervisor) -> None:
    async def never() -> None:
        raise Unavailable("Not yet.")

    with pytest.raises(
        Unavailable, match=r"(?s)worker ended at its start \(exit code 1\).*no luck"
    ):
        await supervisor.start(python("worker", "raise SystemExit('no luck')", ready=never))
    with pytest.raises(NotFound):
        supervisor.pid("worker")


async def test_a_start_that_takes_too_long_is_given_up(
    supervisor: Supervisor, log: io.StringIO
) -> None:
    async def never() -> None:
        raise ConnectionRefusedError

    code = f"import os; print(os.getpid(), flush=True); {FOREVER}"
    with pytest.raises(Unavailable, match=r"worker was not ready within 0\.5 s"):
        await supervisor.start(python("worker", code, ready=never, start_timeout=0.5))
    assert not alive(int(log.getvalue().split()[-1]))


async def test_two_processes_cannot_share_a_name(supervisor: Supervisor) -> None:
    await supervisor.start(python("worker", FOREVER))
    with pytest.raises(Misconfigured, match="worker is already supervised"):
        await supervisor.start(python("worker", FOREVER))


async def test_stop_kills_the_stubborn(log: io.StringIO) -> None:
    supervisor = Supervisor(log)
    await supervisor.start(python("mule", STUBBORN, stop_timeout=0.3))
    pid = supervisor.pid("mule")
    await until(lambda: "up" in log.getvalue())
    began = time.monotonic()
    await supervisor.stop()
    assert time.monotonic() - began < 3
    assert not alive(pid)


async def test_stop_takes_the_last_started_first(log: io.StringIO) -> None:
    supervisor = Supervisor(log)
    for name in ("first", "second", "third"):
        await supervisor.start(python(name, POLITE))
    await until(lambda: log.getvalue().count("up") == 3)
    # A restart does not change its place.
    await supervisor.restart("first")
    await until(lambda: log.getvalue().count("up") == 4)
    await supervisor.stop()
    assert [line for line in log.getvalue().splitlines() if "bye" in line][1:] == [
        "third | bye",
        "second | bye",
        "first | bye",
    ]


async def test_grandchildren_end_too(log: io.StringIO) -> None:
    supervisor = Supervisor(log)
    await supervisor.start(python("parent", PARENT))
    await until(lambda: "\n" in log.getvalue())
    grandchild = int(log.getvalue().split()[-1])
    assert alive(grandchild)
    await supervisor.stop()
    await until(lambda: not alive(grandchild))


async def test_processes_are_out_of_reach_of_the_terminal(supervisor: Supervisor) -> None:
    await supervisor.start(python("worker", FOREVER))
    pid = supervisor.pid("worker")
    assert os.getsid(pid) == os.getpgid(pid) == pid


async def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    script = tmp_path / "supervise.py"
    script.write_text(
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(SHARED)!r})\n"
        "from pathlib import Path\n"
        "from sealbook.embedded import Process, Supervisor, plain_environment\n"
        "async def main():\n"
        "    supervisor = Supervisor()\n"
        f"    argv = (sys.executable, '-I', '-c', {STUBBORN!r})\n"
        "    await supervisor.start(Process('mule', argv, plain_environment(Path('/'))))\n"
        "    await asyncio.sleep(0.5)\n"
        "    print(supervisor.pid('mule'), flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as it:  # noqa: ASYNC220
        assert it.stdout is not None
        pid = int(await asyncio.to_thread(it.stdout.readline))
        assert alive(pid)
        it.send_signal(signal.SIGKILL)
        it.wait()
    await until(lambda: not alive(pid), within=5)
