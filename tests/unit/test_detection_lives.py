"""A detector's process does not outlive ingest, however ingest ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from detecting import write_plug_ins

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from services.ingest.detection import start_detectors
(detector,) = start_detectors(["moody"], deadline_s=float(sys.argv[3]))
print(detector.pid, flush=True)
if sys.argv[2]:
    detector.detect(sys.argv[2])
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("text", ["", "slow", "backtrack"])
def test_killing_ingest_ends_the_process(tmp_path: Path, text: str) -> None:
    write_plug_ins(tmp_path)
    program = [sys.executable, "-c", PROGRAM, str(tmp_path), text, "1.2"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ingest:
        assert ingest.stdout is not None
        pid = int(ingest.stdout.readline())
        time.sleep(0.3)  # it is at the text by now
        assert _alive(pid)
        ingest.send_signal(signal.SIGKILL)
        ingest.wait()
    until = time.monotonic() + 20
    while _alive(pid):
        assert time.monotonic() < until
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
