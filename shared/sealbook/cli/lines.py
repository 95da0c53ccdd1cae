"""The lines of a stream, numbered, in chunks bounded in lines and bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_LINE_BYTES = 8 * 2**20
CHUNK_LINES = 1_000
CHUNK_BYTES = 8 * 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """`body` is None when the line is longer than MAX_LINE_BYTES; `size` counts what was read."""

    number: int
    size: int
    body: bytes | None


def chunks(stream: BinaryIO) -> Iterator[list[Line]]:
    """All lines, blank ones included, in lists of bounded size; reads no further than asked."""
    chunk: list[Line] = []
    size = 0
    for line in lines(stream):
        chunk.append(line)
        size += len(line.body or b"")
        if len(chunk) >= CHUNK_LINES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def lines(stream: BinaryIO) -> Iterator[Line]:
    """Each line without the white space around it, numbered from 1."""
    number = 0
    while start := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(start) <= MAX_LINE_BYTES or start.endswith(b"\n"):
            body = start.removeprefix(_BYTE_ORDER_MARK) if number == 1 else start
            yield Line(number, len(start), body.strip())
        else:
            yield Line(number, len(start) + _skip_rest(stream), None)


def _skip_rest(stream: BinaryIO) -> int:
    """How many bytes the rest of an overlong line has; it is never held as a whole."""
    skipped = 0
    while rest := stream.readline(2**20):
        skipped += len(rest)
        if rest.endswith(b"\n"):
            break
    return skipped
