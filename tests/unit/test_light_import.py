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


def test_sealing_submissions_needs_no_more_than_what_applications_install() -> None:
    line = "sealbook-x25519:019a0a0a-0000-7abc-8def-0123456789ab:" + "A" * 42 + "k"
    program = (
        "import sys, sealbook; "
        f"sealbook.Recorder('nats://nowhere', project='p', seal_to='{line}'); "
        "print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "cryptography" in loaded
    assert not {"zstandard", "sqlalchemy", "faststream", "minio", "psycopg"} & set(loaded)
