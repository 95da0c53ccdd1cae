"""What may stand in a cell: a value of a row, or a JSON document as the bytes it was sealed as."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True)
class RawJson:
    """A JSON document, UTF-8, spliced into a file as it is."""

    document: bytes


Cell: TypeAlias = (
    RawJson | str | int | float | Decimal | datetime | UUID | list[str] | dict[str, object] | None
)


def moment(value: datetime) -> str:
    """RFC 3339 in UTC with microseconds: one form, so that the same row has the same bytes."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def decimal(value: Decimal) -> str:
    """Plain digits, no exponent, no trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
