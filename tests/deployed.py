"""What the tests of the image, of Compose and of Kubernetes have in common."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(sys.executable).parent
KUSTOMIZATION = ROOT / "deploy" / "k8s"

SERVICES = ("ingest", "review", "rollup", "export")
WITH_KEYS = {"ingest", "review", "export"}
SECRET_NAME = re.compile(r"(PASSWORD|SECRET|TOKEN|CREDENTIAL|DATABASE_URL|KEY)(?!.*_(DIR|FILE)$)")

Document = dict[str, Any]


def command(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
