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

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealbook.errors import AlteredSeal, BrokenCommitment, UnknownSeal, WrongKey
from sealbook.sealing import compression

VERSION = 1
PLAIN, ZSTD = 1, 2
_INFO = b"sealbook/event/v1"
_NONCE = bytes(12)
_HEADER = 18
_SALT_END = _HEADER + 32
_OVERHEAD = _SALT_END + 32
_TAMPERED = "Treat it as tampering: compare the log with a backup, do not retry."


@dataclass(frozen=True, slots=True)
class DataKey:
    """256 random bits under which the payloads of one scope are sealed; never stored unwrapped."""

    id: UUID
    secret: bytes = field(repr=False)


def seal(key: DataKey, plaintext: bytes, binding: bytes, *, compress: bool = True) -> bytes:
    """`plaintext`, compressed unless told not to, openable only with the same key and binding."""
    header = bytes((VERSION, ZSTD if compress else PLAIN)) + key.id.bytes
    salt = os.urandom(32)
    event_key, commitment = _derive(key.secret, salt)
    content = compression.compress(plaintext) if compress else plaintext
    ciphertext = AESGCM(event_key).encrypt(_NONCE, content, header + binding)
    return b"".join((header, salt, commitment, ciphertext))


def key_id_of(sealed: bytes) -> UUID:
    """Which data key opens it. Raises UnknownSeal when these are not sealed bytes."""
    if len(sealed) < _OVERHEAD or sealed[0] != VERSION or sealed[1] not in (PLAIN, ZSTD):
        raise UnknownSeal(
            f"These {len(sealed)} bytes are not a sealed payload of version {VERSION}.",
            remedy="Compare the log with a backup of it.",
        )
    return UUID(bytes=sealed[2:_HEADER])


def unseal(key: DataKey, sealed: bytes, binding: bytes) -> bytes:
    """The plaintext.

    Raises:
        UnknownSeal: not sealed bytes, or of an unknown format.
        WrongKey: sealed under a data key with another id.
        BrokenCommitment: salt or commitment altered, or another secret under this id.
        AlteredSeal: the ciphertext altered, or another binding than at sealing.
        BrokenContent: it opens, but does not decompress.
    """
    if (sealed_under := key_id_of(sealed)) != key.id:
        raise WrongKey(
            f"A payload that should open with data key {key.id} is sealed under {sealed_under}.",
            remedy=_TAMPERED,
        )
    event_key, commitment = _derive(key.secret, sealed[_HEADER:_SALT_END])
    if not hmac.compare_digest(commitment, sealed[_SALT_END:_OVERHEAD]):
        raise BrokenCommitment(
            f"A payload does not commit to data key {key.id}: its salt or commitment was altered, "
            "or another key has this id.",
            remedy=_TAMPERED,
        )
    try:
        data = AESGCM(event_key).decrypt(_NONCE, sealed[_OVERHEAD:], sealed[:_HEADER] + binding)
    except InvalidTag:
        raise AlteredSeal(
            f"A payload under data key {key.id} does not authenticate: it was altered, or moved "
            "here from another place.",
            remedy=_TAMPERED,
        ) from None
    return data if sealed[1] == PLAIN else compression.decompress(data)


def _derive(secret: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Key and commitment, 32 bytes each: HKDF is two HMACs when one block of output is enough."""
    pseudorandom = hmac.digest(salt, secret, hashlib.sha512)
    block = hmac.digest(pseudorandom, _INFO + b"\x01", hashlib.sha512)
    return block[:32], block[32:]
