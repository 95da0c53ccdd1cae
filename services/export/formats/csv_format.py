"""CSV (RFC 4180), UTF-8, CRLF, with a fixed header and a guard against spreadsheet formulas."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from pydantic_core import to_json

from services.export.formats.value import Cell, RawJson, decimal, moment

# A spreadsheet runs a cell that begins so (also in full-width form): a quote makes it text.
_DANGEROUS = (
    *("=", "+", "-", "@", "\t", "\r", "\n"),
    *("\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}"),
    *("\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}"),
)


class CsvFormat:
    """A `Format`."""

    content_type = "text/csv; charset=utf-8"

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer, lineterminator="\r\n")

    def head(self) -> bytes:
        return self._line(self._columns)

    def row(self, cells: Sequence[Cell]) -> bytes:
        return self._line([_text(cell) for cell in cells])

    def _line(self, texts: Sequence[str]) -> bytes:
        self._writer.writerow(texts)
        line = self._buffer.getvalue().encode()
        self._buffer.seek(0)
        self._buffer.truncate()
        return line


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case RawJson(document):
            return _guarded(document.decode())
        case str():
            return _guarded(cell)
        case list():
            return _guarded("|".join(cell))
        case dict():
            return to_json(cell).decode()
        case datetime():
            return moment(cell)
        case Decimal():
            return decimal(cell)
        case _:
            return str(cell)


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_DANGEROUS) else text
