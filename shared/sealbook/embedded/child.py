"""One run of a process: launched through `launch.py`, its output read line by line, its end."""

import asyncio
import codecs
import contextlib
import os
import signal
import sys
import time
from collections import deque
from pathlib import Path

from sealbook.embedded.logbook import Logbook
from sealbook.embedded.process import Process
from sealbook.errors import Unavailable

LAUNCHER = Path(__file__).with_name("launch.py")
TAIL_LINES = 15
LONGEST_LINE = 64 * 1024


class Child:
    """A launched process; make one with `Child.launch`."""

    def __init__(self, process: Process, running: asyncio.subprocess.Process) -> None:
        self.process = process
        self.began = time.monotonic()
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._running = running
        self._exit = asyncio.create_task(running.wait())
        self._output: asyncio.Task[None] | None = None

    @classmethod
    async def launch(cls, process: Process, log: Logbook) -> "Child":
        """Start the command; raises OSError if that is impossible."""
        # A pipe of our own: asyncio's would tie the end of the process to the end of its output,
        # which grandchildren may hold open.
        reading, writing = os.pipe()
        try:
            running = await asyncio.create_subprocess_exec(
                *_command(process),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                env=process.env,
                cwd=process.cwd,
                # A Ctrl-C in the terminal reaches the supervisor only, which stops in order.
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        child = cls(process, running)
        child._output = asyncio.create_task(child._read(reading, log))
        return child

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def ended(self) -> bool:
        return self._running.returncode is not None

    async def wait(self) -> int:
        """The exit code, or minus the signal; all that was written has then been logged."""
        # Shielded: the one who waits may be cancelled, the others go on waiting.
        code = await asyncio.shield(self._exit)
        await self._output_ends()
        return code

    async def ends_within(self, seconds: float) -> bool:
        """Wait so long at most; whether it has ended."""
        await asyncio.wait([self._exit], timeout=seconds)
        return self.ended

    async def end(self) -> None:
        """Ask it to stop, wait `stop_timeout`, then kill; nothing of its group stays behind."""
        try:
            if not self.ended:
                self.send(self.process.stop_signal)
                await self.ends_within(self.process.stop_timeout)
        finally:
            # Also when this wait is cancelled.
            if not self.ended:
                self.send(signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        await asyncio.shield(self._exit)
        await self._output_ends()
        if self._output is not None:
            self._output.cancel()

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._running.send_signal(number)

    def last_words(self) -> str:
        return "\n".join(self.tail) if self.tail else "(it wrote nothing)"

    async def _output_ends(self) -> None:
        # A process that it left behind may hold the pipe open.
        if self._output is not None:
            await asyncio.wait([self._output], timeout=1.0)

    async def _read(self, descriptor: int, log: Logbook) -> None:
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(descriptor, "rb", 0)
        )
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest = ""
        try:
            while chunk := await stream.read(LONGEST_LINE):
                *lines, rest = (rest + decoder.decode(chunk)).split("\n")
                if len(rest) > LONGEST_LINE:
                    lines, rest = [*lines, rest], ""
                for line in lines:
                    self._said(line, log)
        finally:
            if rest:
                self._said(rest, log)
            transport.close()

    def _said(self, line: str, log: Logbook) -> None:
        line = line.rstrip("\r")
        self.tail.append(line)
        log.write(self.process.name, line)


def _command(process: Process) -> list[str]:
    account = process.account
    who = [] if account is None else [f"--uid={account.uid}", f"--gid={account.gid}"]
    return [
        *(sys.executable, "-I", "-S", str(LAUNCHER)),
        f"--parent={os.getpid()}",
        f"--death-signal={int(process.death_signal)}",
        *who,
        "--",
        *process.argv,
    ]


def exit_words(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    return f"signal {signal.Signals(-code).name}"


async def run_to_end(process: Process, log: Logbook) -> None:
    """Run a command that ends by itself; raises `Unavailable` with its last lines if it fails."""
    child = await Child.launch(process, log)
    try:
        if not await child.ends_within(process.start_timeout):
            raise Unavailable(
                f"{process.name} did not end within {process.start_timeout:g} s. Its last lines:\n"
                f"{child.last_words()}"
            )
        code = await child.wait()
    finally:
        await child.end()
    if code != 0:
        raise Unavailable(
            f"{process.name} failed ({exit_words(code)}). Its last lines:\n{child.last_words()}"
        )
