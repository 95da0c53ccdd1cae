"""Where the lines of all supervised processes go: a text stream, a bounded file, or both."""

from pathlib import Path
from typing import TextIO

from sealbook.embedded.private_files import open_private

FILE_LIMIT = 8 * 1024 * 1024


class Logbook:
    """Writes `name | line`; the file is moved to `….1` when it reaches `FILE_LIMIT` bytes."""

    def __init__(self, stream: TextIO | None = None, file: Path | None = None) -> None:
        self._stream = stream
        self._path = file
        self._file: TextIO | None = None

    def write(self, name: str, line: str) -> None:
        """Add one line, said by `name`."""
        text = f"{name} | {line}\n"
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()
        if self._path is not None:
            self._append(self._path, text)

    def _append(self, path: Path, text: str) -> None:
        if self._file is None:
            self._file = open_private(path)
        self._file.write(text)
        self._file.flush()
        if self._file.tell() >= FILE_LIMIT:
            self.close()
            path.replace(path.with_name(f"{path.name}.1"))

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None
