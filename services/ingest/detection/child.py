"""A detector's own process: loads one plug-in, then answers texts until its input ends.

Run as a script by `run.py`, with the standard library only, so that it holds nothing of ingest's.
Texts (UTF-8) and answers (JSON) each follow their length in four bytes. An answer is
`{"found": [[start, end, entity], …]}` or `{"error": class}`; the first says that the plug-in is
loaded.
"""

import contextlib
import json
import operator
import os
import resource
import signal
import sys
from importlib.metadata import entry_points
from struct import Struct
from typing import Any, BinaryIO

GROUP = "sealbook.detectors"
LENGTH = Struct(">I")


def main(name: str, start_s: float, answer_s: float) -> None:
    """Serve the plug-in `name`; a start or an answer that takes longer than said ends the process.

    The kernel's timer does that, also while a search in C holds the interpreter and after ingest
    was killed. Between two texts the end of the input is the end.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the text
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, start_s)
    requests, answers = _own_pipes()
    with contextlib.suppress(BrokenPipeError):
        try:
            detector = _load(name)
        except Exception as error:  # noqa: BLE001 - foreign code; ingest is told the class
            _send(answers, {"error": type(error).__name__})
            return
        _send(answers, {"found": []})
        signal.setitimer(signal.ITIMER_REAL, 0)
        while (text := _receive(requests)) is not None:
            signal.setitimer(signal.ITIMER_REAL, answer_s)
            _send(answers, _answer(detector, text))
            signal.setitimer(signal.ITIMER_REAL, 0)


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output under other numbers: what a plug-in prints is no answer."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _load(name: str) -> Any:
    found = tuple(entry_points(group=GROUP, name=name))
    if not found:
        raise LookupError
    return found[0].load()()


def _answer(detector: Any, text: str) -> dict[str, Any]:
    try:
        return {
            "found": [
                [operator.index(one.start), operator.index(one.end), str(one.entity)]
                for one in detector.detect(text)
            ]
        }
    except Exception as error:  # noqa: BLE001 - foreign code; ingest is told the class
        return {"error": type(error).__name__}


def _receive(requests: BinaryIO) -> str | None:
    header = requests.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(header)
    return requests.read(length).decode(errors="surrogatepass")


def _send(answers: BinaryIO, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    answers.write(LENGTH.pack(len(body)) + body)
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
    os._exit(0)  # a thread of the plug-in would keep the process
