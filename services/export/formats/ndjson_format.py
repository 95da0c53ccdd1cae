"""Newline-delimited JSON: an object for each row, payload documents spliced in unparsed."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from pydantic_core import to_json

from services.export.formats.value import Cell, RawJson, decimal, moment


class NdjsonFormat:
    """A `Format`."""

    content_type = "application/x-ndjson"

    def __init__(self, columns: Sequence[str]) -> None:
        self._keys = [to_json(name) + b":" for name in columns]

    def head(self) -> bytes:
        return b""

    def row(self, cells: Sequence[Cell]) -> bytes:
        members = (key + _json(cell) for key, cell in zip(self._keys, cells, strict=True))
        return b"{" + b",".join(members) + b"}\n"


def _json(cell: Cell) -> bytes:
    match cell:
        case RawJson(document):
            return document
        case datetime():
            return to_json(moment(cell))
        case Decimal():
            return decimal(cell).encode()
        case _:
            return to_json(cell)
