"""zstd around a payload (RFC 8878): before it is sealed, and after it was opened."""

import threading

import zstandard

from sealbook.errors import BrokenContent

LEVEL = 1
"""Level 3 makes 2 KB one per cent smaller and 16 KB four, for a third to a half more time."""
MAX_BYTES = 256 * 2**20


class _Tools(threading.local):
    """One pair for each thread: making one costs as much as using it on 1 KB, sharing is unsafe."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_TOOLS = _Tools()


def compress(plaintext: bytes) -> bytes:
    """One frame that tells its length."""
    return _TOOLS.compressor.compress(plaintext)


def decompress(frame: bytes) -> bytes:
    """What was compressed. Raises BrokenContent when it is no frame, or one of over MAX_BYTES."""
    try:
        # Looked at first: the library makes room for as much as the frame says.
        if zstandard.frame_content_size(frame) <= MAX_BYTES:
            return _TOOLS.decompressor.decompress(frame, max_output_size=MAX_BYTES)
    except zstandard.ZstdError:
        pass
    raise BrokenContent(
        f"The {len(frame)} bytes under a seal do not decompress to at most {MAX_BYTES} bytes.",
        remedy="See which program sealed it: the event's `ce-source` header tells.",
    )
