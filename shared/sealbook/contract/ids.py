"""Interaction ids: UUIDv7 (RFC 9562, section 5.7), random or derived from what is already known."""

import hashlib
import os
import time
from uuid import UUID


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, 74 random bits."""
    return _uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def derived_id(unix_ms: int, *parts: str | bytes | int) -> UUID:
    """The UUIDv7 that always comes out of the same time and parts, so that a second delivery of
    the same bytes carries the same id."""
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return _uuid7(unix_ms, digest.digest()[:10])


def _uuid7(unix_ms: int, entropy: bytes) -> UUID:
    value = (unix_ms & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(entropy, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
