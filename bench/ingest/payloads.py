"""Submissions of a size, drawn from recorded exchanges with real providers."""

import json
import sys
from itertools import cycle, islice
from pathlib import Path

from sealbook.contract.documents import compact
from sealbook.contract.ids import new_id
from sealbook.recorder.exchanges import exchange

SIZES = {"2kb": (1_500, 2_600), "16kb": (12_000, 20_000)}
"""Name → bytes from and to."""


def submissions(file: Path, size: str, count: int) -> list[bytes]:
    """`count` bodies made of the exchanges of that size, one after the other, each with an id."""
    low, high = SIZES[size]
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        sys.exit(f"The exchanges {file} cannot be read: {error.strerror}. Name another file.")
    chosen = [exchange(json.loads(line)) for line in lines if low <= len(line) <= high]
    if not chosen:
        sys.exit(f"{file} holds no exchanges of {low} to {high} bytes to draw from.")
    return [compact(one | {"id": str(new_id())}) for one in islice(cycle(chosen), count)]
