"""Plaintext planted in every interaction, and the search for it in every byte on disk."""

import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sealbook.recorder import Receipt, Recorder


class PlantingRecorder:
    """Records what it is given, with a canary among the private parts of each interaction."""

    def __init__(self, recorder: Recorder, canary: str) -> None:
        self._recorder = recorder
        self._canary = canary

    async def record_many(self, submissions: Iterable[Mapping[str, Any]]) -> list[Receipt]:
        """As `Recorder.record_many`."""
        return await self._recorder.record_many(self._planted(one) for one in submissions)

    def _planted(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        metadata = {**fields.get("metadata", {}), "note": f"{self._canary} in metadata"}
        return {**fields, "metadata": metadata, "user": f"{self._canary}-user"}


def search(folder: Path, needle: bytes) -> tuple[list[Path], int]:
    """(files that hold the needle, bytes searched), of all files below a folder."""
    found: list[Path] = []
    searched = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        size = path.stat().st_size
        searched += size
        if size and _holds(path, needle):
            found.append(path)
    return found, searched


def _holds(path: Path, needle: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(needle) >= 0
