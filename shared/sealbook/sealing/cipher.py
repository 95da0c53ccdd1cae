"""Sealing and opening one payload under a data key, with key commitment.

Layout: `version (1) | algorithm (1) | key id (16) | salt (32) | commitment (32) | ciphertext`.
`K‖C = HKDF-SHA512(data key, salt, "sealbook/event/v1")` (RFC 5869), AES-256-GCM with K. A fresh
random salt gives every payload its own key, so the nonce is constant. The commitment C keeps a
ciphertext from opening under two keys.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from uuid import UUID

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealbook.errors import SealBroken

VERSION = 1
PLAIN, ZSTD = 1, 2
_INFO = b"sealbook/event/v1"
_NONCE = bytes(12)
_HEADER = 18
_SALT_END = _HEADER + 32
_OVERHEAD = _SALT_END + 32
MAX_OPENED_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class DataKey:
    """256 random bits under which the payloads of one scope are sealed; never stored unwrapped."""

    id: UUID
    secret: bytes = field(repr=False)


def seal(key: DataKey, plaintext: bytes, binding: bytes) -> bytes:
    """`plaintext`, compressed and encrypted, openable only with the same key and binding."""
    header = bytes((VERSION, ZSTD)) + key.id.bytes
    salt = os.urandom(32)
    event_key, commitment = _derive(key.secret, salt)
    compressed = zstandard.ZstdCompressor(level=3).compress(plaintext)
    ciphertext = AESGCM(event_key).encrypt(_NONCE, compressed, header + binding)
    return b"".join((header, salt, commitment, ciphertext))


def key_id_of(sealed: bytes) -> UUID:
    """Which data key opens it. Raises SealBroken when these are not sealed bytes."""
    if len(sealed) < _OVERHEAD or sealed[0] != VERSION or sealed[1] not in (PLAIN, ZSTD):
        raise SealBroken(
            f"These {len(sealed)} bytes are not a sealed payload of version {VERSION}.",
            remedy="Compare the log with a backup of it.",
        )
    return UUID(bytes=sealed[2:_HEADER])


def unseal(key: DataKey, sealed: bytes, binding: bytes) -> bytes:
    """The plaintext.

    Raises:
        SealBroken: any byte altered, another key, or another binding than at sealing.
    """
    if key_id_of(sealed) != key.id:
        raise _broken()
    event_key, commitment = _derive(key.secret, sealed[_HEADER:_SALT_END])
    if not hmac.compare_digest(commitment, sealed[_SALT_END:_OVERHEAD]):
        raise _broken()
    try:
        data = AESGCM(event_key).decrypt(_NONCE, sealed[_OVERHEAD:], sealed[:_HEADER] + binding)
    except InvalidTag:
        raise _broken() from None
    if sealed[1] == PLAIN:
        return data
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_OPENED_BYTES)


def _derive(secret: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Key and commitment, 32 bytes each: HKDF is two HMACs when one block of output is enough."""
    pseudorandom = hmac.digest(salt, secret, hashlib.sha512)
    block = hmac.digest(pseudorandom, _INFO + b"\x01", hashlib.sha512)
    return block[:32], block[32:]


def _broken() -> SealBroken:
    return SealBroken(
        "A sealed payload does not authenticate: it was altered, moved, or sealed under another "
        "key.",
        remedy="Treat it as tampering: compare the log with a backup, do not retry.",
    )
