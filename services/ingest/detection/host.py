"""A detector as redaction sees it: asks the plug-in's process, starts it anew, gives up in time."""

import logging
import threading
import time
from collections.abc import Sequence

from sealbook.errors import Misconfigured, Unavailable
from services.ingest.detection.answer import PlugInRaised
from services.ingest.detection.run import NotLoaded, Run
from services.ingest.redact.detection import Detection

DEADLINE_SECONDS = 1.0
START_SECONDS = 60.0
RESTART_SECONDS = 10.0
REST_SECONDS = 30.0
FAILURES_IN_A_ROW = 3
QUIET_SECONDS = 60.0

_FAILURES = (OSError, EOFError, ValueError, NotLoaded)

logger = logging.getLogger("sealbook.ingest")


class ChildDetector:
    """A plug-in in a process of its own; a `Detector` whose every failure raises Unavailable.

    A process that overran `deadline_s`, died or answered nonsense is replaced at the next text.
    After three such failures in a row the detector is broken: it refuses at once, and tries again
    after `rest_s`, so that a plug-in that does not work holds nobody up. A plug-in that merely
    raises keeps its process. Errors and logs carry the detector's name and a class of error,
    never text. Threads may share it; they wait for each other. Times in seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        deadline_s: float = DEADLINE_SECONDS,
        start_s: float = START_SECONDS,
        rest_s: float = REST_SECONDS,
    ) -> None:
        self.name = name
        self._deadline, self._patience, self._rest = deadline_s, start_s, rest_s
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._failures = 0
        self._rests_until = self._quiet_until = 0.0

    @property
    def pid(self) -> int | None:
        """Its process now, if there is one."""
        return self._run.pid if self._run and not self._run.ended else None

    @property
    def broken(self) -> bool:
        return self._failures >= FAILURES_IN_A_ROW

    def start(self) -> None:
        """Start the process and wait until the plug-in is loaded, `start_s` at most.

        Raises Misconfigured; the detector is broken then, and may be kept: it fails closed.
        """
        with self._lock:
            began = time.monotonic()
            try:
                self._running()
            except _FAILURES as error:
                self._failures = FAILURES_IN_A_ROW
                self._rests_until = time.monotonic() + self._rest
                raise Misconfigured(
                    f"The detector {self.name!r} did not start ({_class_of(error)}).",
                    remedy="Install what it needs where ingest runs, or take it out of the policy.",
                ) from None
            self._failures = 0
            # Models are in memory by now; whoever waits for a second start holds up redaction.
            took = 2 * (time.monotonic() - began)
            self._patience = min(self._patience, max(RESTART_SECONDS, took))

    def detect(self, text: str) -> Sequence[Detection]:
        """What the plug-in finds. Raises Unavailable: the text is to be masked whole."""
        with self._lock:
            if self.broken and time.monotonic() < self._rests_until:
                raise self._unavailable("broken")
            try:
                found = self._running().ask(text, self._deadline)
            except PlugInRaised as error:
                self._tell_failure(_class_of(error))
                raise self._unavailable(_class_of(error)) from None
            except _FAILURES as error:
                self._count_failure(_class_of(error))
                raise self._unavailable(_class_of(error)) from None
            if self.broken:
                logger.info("The detector %s works again.", self.name)
            self._failures = 0
            return found

    def close(self) -> None:
        """End the process; a later `detect` would start another."""
        with self._lock:
            if self._run is not None:
                self._run.end()
                self._run = None

    def _running(self) -> Run:
        if self._run is not None and not self._run.ended:
            return self._run
        if self._run is not None:
            self._run.end()
        self._run = Run(self.name, start_s=self._patience, answer_s=self._deadline)
        self._run.ready(self._patience)
        return self._run

    def _count_failure(self, reason: str) -> None:
        was_broken = self.broken
        self._failures += 1
        self._rests_until = time.monotonic() + self._rest
        if self.broken and not was_broken:
            logger.warning(
                "The detector %s is broken (%s): texts are masked whole; it is tried every %g s.",
                *(self.name, reason, self._rest),
            )
        elif not was_broken:
            self._tell_failure(reason)

    def _tell_failure(self, reason: str) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            logger.warning(
                "The detector %s failed (%s): that text is masked whole.", self.name, reason
            )

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(f"The detector {self.name!r} failed ({reason}).")


def _class_of(error: BaseException) -> str:
    known = isinstance(error, PlugInRaised | NotLoaded)
    return str(error) if known else type(error).__name__
