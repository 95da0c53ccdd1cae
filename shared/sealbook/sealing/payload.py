"""The sealed plaintext: request, response and the rest as length-prefixed JSON documents.

An export or a page splices these bytes; it parses only what it looks into.
"""

from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from sealbook.contract.documents import JsonValue
from sealbook.errors import BrokenContent


@dataclass(frozen=True, slots=True)
class Payload:
    """Three JSON documents as UTF-8 bytes. `rest` is an object: texts, metadata, user, error."""

    request: bytes
    response: bytes
    rest: bytes

    @classmethod
    def of(cls, request: JsonValue, response: JsonValue, rest: dict[str, Any]) -> "Payload":
        """From values that were parsed within limits."""
        return cls(to_json(request), to_json(response), to_json(rest))

    def encode(self) -> bytes:
        """Framed: a 4-byte big-endian length before each document."""
        return b"".join(
            len(part).to_bytes(4, "big") + part for part in (self.request, self.response, self.rest)
        )

    @classmethod
    def decode(cls, framed: bytes) -> "Payload":
        """The documents. Raises BrokenContent when the lengths do not add up."""
        parts, at = [], 0
        for _ in range(3):
            end = at + 4 + int.from_bytes(framed[at : at + 4], "big")
            parts.append(framed[at + 4 : end])
            at = end
        if at != len(framed):
            raise BrokenContent(
                f"The frames of a payload do not add up to its {len(framed)} bytes."
            )
        return cls(*parts)

    def rest_fields(self) -> dict[str, Any]:
        """The rest, parsed."""
        fields: dict[str, Any] = from_json(self.rest)
        return fields
