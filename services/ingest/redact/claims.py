"""Which parts of a text are to be masked, and what becomes of the text. Offsets are in bytes."""

from collections.abc import Sequence
from typing import NamedTuple

from services.ingest.redact.tags import Mark

Claim = tuple[int, int, int]  # start, end, index of the mark; index -1 is a tag already there


class Edit(NamedTuple):
    """Bytes `start` to `end` become `new`; a hit of `name`."""

    start: int
    end: int
    new: bytes
    name: str


def merged(claims: list[Claim]) -> list[Claim]:
    """Overlapping claims become one over all their text, under the name of the longest of them.

    Cutting the shorter claim away instead would leave the rest of it readable.
    """
    result: list[Claim] = []
    longest = 0
    for start, end, index in sorted(claims, key=lambda claim: (claim[0], -claim[1])):
        weight = end - start if index >= 0 else 0
        if result and start < result[-1][1]:
            first, last, name = result[-1]
            better = weight > longest or (weight == longest and 0 <= index < name)
            result[-1] = (first, max(last, end), index if better else name)
            longest = max(longest, weight)
        else:
            result.append((start, end, index))
            longest = weight
    return result


def edits(data: bytes, claims: list[Claim], marks: Sequence[Mark], key: bytes | None) -> list[Edit]:
    """What the claims do to the text, in order; tags that nothing else overlaps stay."""
    return [
        Edit(start, end, marks[index].render(data[start:end], key), marks[index].name)
        for start, end, index in merged(claims)
        if index >= 0
    ]


def applied(data: bytes, changes: Sequence[Edit]) -> bytes:
    """The text with the changes made."""
    pieces: list[bytes] = []
    position = 0
    for start, end, new, _ in changes:
        pieces += data[position:start], new
        position = end
    pieces.append(data[position:])
    return b"".join(pieces)
