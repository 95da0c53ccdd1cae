"""The folder of one installation: private, and used by one supervisor at a time."""

import fcntl
import os
from pathlib import Path
from typing import TextIO

from sealbook.embedded.private_files import open_private, private_folder
from sealbook.errors import Misconfigured


class DataFolder:
    """A locked data folder; the lock lasts until `release` or the end of this process."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = self._take()
        self.credentials = private_folder(self.path / "credentials")

    def part(self, name: str) -> Path:
        """A private folder inside."""
        return private_folder(self.path / name)

    def release(self) -> None:
        self._lock.close()

    def _take(self) -> TextIO:
        lock_file = self.path / "lock"
        try:
            self.path.mkdir(parents=True, mode=0o700, exist_ok=True)
            self._narrow(lock_file)
            lock = open_private(lock_file)
        except OSError as error:
            raise Misconfigured(
                f"The data folder {self.path} cannot be used: {error.strerror}.",
                remedy="Name a folder that this user owns.",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            holder = lock_file.read_text(encoding="utf-8").strip() or "unknown"
            raise Misconfigured(
                f"The data folder {self.path} is in use by process {holder}.",
                remedy="Stop that process, or name another data folder.",
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return lock

    def _narrow(self, lock_file: Path) -> None:
        if self.path.stat().st_mode & 0o077 == 0:
            return
        if not lock_file.exists() and any(self.path.iterdir()):
            # It may be somebody's home: not ours to close to others.
            raise Misconfigured(
                f"The data folder {self.path} holds other files and is open to other users.",
                remedy=f"Name an empty folder, or run `chmod 700 {self.path}`.",
            )
        self.path.chmod(0o700)
