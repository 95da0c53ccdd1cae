"""The bench of redaction where its data is not."""

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench/redaction"


def test_without_its_data_the_bench_says_what_it_needs(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(BENCH), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert f"not in {tmp_path}" in run.stderr
    assert "synth_dataset_v2.json" in run.stderr
