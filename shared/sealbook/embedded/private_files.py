"""Files and folders that only their owner can read: 0600 and 0700 from the first byte on."""

import os
import secrets
from pathlib import Path
from typing import TextIO


def private_folder(path: Path) -> Path:
    """Make `path` (its parent exists) or narrow it to mode 0700."""
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)
    return path


def open_private(path: Path) -> TextIO:
    """Open for appending; a new file has mode 0600."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "a", encoding="utf-8")


def write_private(path: Path, text: str) -> None:
    """Replace the file as a whole, so that a crash leaves the old one or the new one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def remembered_secret(path: Path, length: int = 32) -> str:
    """The secret kept in `path`; on first use `length` random bytes, URL-safe."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(length))
    return path.read_text(encoding="utf-8").strip()
