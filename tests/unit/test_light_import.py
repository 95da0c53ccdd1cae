"""What `import sealbook` loads."""

import subprocess
import sys


def test_importing_sealbook_is_light() -> None:
    heavy = {"cryptography", "sqlalchemy", "nats", "faststream", "minio", "psycopg"}
    program = "import sys, sealbook; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not heavy & set(loaded)
    program = "import sys, sealbook; sealbook.Recorder; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not (heavy - {"nats"}) & set(loaded)
