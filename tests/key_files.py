"""Key files as tests write and read them."""

import json
from pathlib import Path

CONTEXT = b"id\0support\0day\x002026-01-01"
SECRET = b"s" * 32


def written(folder: Path, content: bytes) -> Path:
    path = folder / "written.json"
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def copied(path: Path) -> Path:
    return written(path.parent, path.read_bytes())


def active(path: Path) -> str:
    content: dict[str, str] = json.loads(path.read_text())
    return content["active"]
