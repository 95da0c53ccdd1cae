"""File formats: a head, a line for each row, nothing kept in memory. Pure."""

from collections.abc import Callable, Sequence
from typing import Protocol

from services.export.formats.csv_format import CsvFormat
from services.export.formats.ndjson_format import NdjsonFormat
from services.export.formats.value import Cell


class Format(Protocol):
    """Turns rows into bytes."""

    content_type: str

    def head(self) -> bytes: ...

    def row(self, cells: Sequence[Cell]) -> bytes: ...


FORMATS: dict[str, Callable[[Sequence[str]], Format]] = {
    "csv": CsvFormat,
    "ndjson": NdjsonFormat,
}
"""Format → its writer for the given columns."""
