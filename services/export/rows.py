"""Rows of the view as cells of a file, with the payloads unsealed. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Row

from sealbook.projection.published import payload_binding, payload_key_id
from sealbook.sealing import cipher
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.payload import Payload
from services.export.columns import CLEAR, SEALED
from services.export.formats.value import Cell, RawJson

ERASED = "[ERASED]"
_DOCUMENTS = {"request_payload": "request", "response_payload": "response"}


def cells(
    row: Row[Any],
    columns: Sequence[str],
    keys: Mapping[UUID, DataKey] | None,
    sealed: bytes | None,
) -> list[Cell]:
    """One row of a file; without `keys` sealed columns are empty. `sealed` is its payload, wherever
    it was; None is enough for one whose key is destroyed."""
    unsealed = _unsealed(row, columns, keys, sealed) if keys is not None else {}
    return [unsealed.get(name) if name in SEALED else getattr(row, CLEAR[name]) for name in columns]


def needs_keys(columns: Sequence[str], payloads: bool) -> bool:
    """Whether any payload has to be opened for these columns."""
    return payloads and any(name in SEALED for name in columns)


def _unsealed(
    row: Row[Any], columns: Sequence[str], keys: Mapping[UUID, DataKey], sealed: bytes | None
) -> dict[str, Cell]:
    key = keys.get(payload_key_id(row))
    wanted = [name for name in columns if name in SEALED]
    if key is None:
        return dict.fromkeys(wanted, ERASED)
    assert sealed is not None  # noqa: S101 only a payload without a key is not fetched
    payload = Payload.decode(cipher.unseal(key, sealed, payload_binding(row)))
    # The texts are parsed only when somebody wants one of them.
    rest = payload.rest_fields() if any(name not in _DOCUMENTS for name in wanted) else {}
    return {name: _cell(name, payload, rest) for name in wanted}


def _cell(name: str, payload: Payload, rest: Mapping[str, Any]) -> Cell:
    if name in _DOCUMENTS:
        return RawJson(getattr(payload, _DOCUMENTS[name]))
    if name == "metadata":
        return RawJson(to_json(rest["metadata"]))
    text: str | None = rest[name]
    return text
