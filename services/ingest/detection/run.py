"""One run of a detector's process, from launch to end. Blocking, every step has a deadline."""

import contextlib
import math
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from services.ingest.detection.answer import PlugInRaised, read_answer
from services.ingest.detection.child import LENGTH
from services.ingest.redact.detection import Detection

MAX_ANSWER = 1 << 20
_CHILD = Path(__file__).with_name("child.py")
_CHUNK = 1 << 16
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class NotLoaded(Exception):
    """The plug-in could not be loaded; the message is the class of its error."""


class Run:
    """A process that was launched; whatever goes wrong with it ends it.

    `ready` and `ask` raise TimeoutError, EOFError (it died), other OSErrors and ValueError (no
    proper answer), without any text in them. Not to be used by two threads at once.
    """

    def __init__(self, name: str, *, start_s: float, answer_s: float) -> None:
        # Twice our own deadline: the timer over there is for the case that we are gone.
        times = (str(2 * start_s), str(2 * answer_s))
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_CHILD), name, *times],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries print the text they stumbled over
            bufsize=0,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout  # noqa: S101 - both are PIPE
        self._requests, self._answers = self._process.stdin, self._process.stdout
        for pipe in (self._requests, self._answers):
            os.set_blocking(pipe.fileno(), False)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def ready(self, seconds: float) -> None:
        """Wait until the plug-in is loaded. Raises NotLoaded."""
        try:
            self._exchange(b"", 0, seconds)
        except PlugInRaised as error:
            self.end()
            raise NotLoaded(str(error)) from None

    def ask(self, text: str, seconds: float) -> tuple[Detection, ...]:
        """What the plug-in finds in `text`. Raises PlugInRaised."""
        data = text.encode(errors="surrogatepass")
        return self._exchange(LENGTH.pack(len(data)) + data, len(text), seconds)

    def end(self) -> None:
        """Kill it with all it started; returns once it is gone."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._requests.close()
        self._answers.close()

    def _exchange(self, request: bytes, length: int, seconds: float) -> tuple[Detection, ...]:
        until = time.monotonic() + seconds
        try:
            self._write(request, until)
            (size,) = LENGTH.unpack(self._read(LENGTH.size, until))
            if size > MAX_ANSWER:
                raise ValueError
            return read_answer(self._read(size, until), length)
        except PlugInRaised:
            raise
        except BaseException:
            # Also when we are interrupted: a late answer would pass for that to the next text.
            self.end()
            raise

    def _write(self, data: bytes, until: float) -> None:
        rest = memoryview(data)
        while rest:
            _wait(self._requests.fileno(), select.POLLOUT, until)
            rest = rest[os.write(self._requests.fileno(), rest[:_CHUNK]) :]

    def _read(self, size: int, until: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            _wait(self._answers.fileno(), select.POLLIN, until)
            chunk = os.read(self._answers.fileno(), size - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return bytes(data)


def _wait(descriptor: int, event: int, until: float) -> None:
    remaining = until - time.monotonic()
    poll = select.poll()
    poll.register(descriptor, event)
    if remaining <= 0 or not poll.poll(math.ceil(remaining * 1000)):
        raise TimeoutError


def _environment() -> dict[str, str]:
    """Nothing of ingest's settings and secrets, but the same modules."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)}
