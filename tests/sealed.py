"""Something sealed: under which key, where, in which parts, and how it is to fail."""

import os
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sealbook.errors import (
    SealBroken,
)
from sealbook.sealing.binding import Binding
from sealbook.sealing.cipher import DataKey, unseal

KEY = DataKey(UUID("019a0a0a-0000-7abc-8def-0123456789ab"), bytes(range(32)))
OTHER = DataKey(UUID("019a0a0a-0001-7abc-8def-0123456789ab"), b"o" * 32)
PLAINTEXT = b'{"text": "canary-7f3a"}'
BINDING = Binding(
    project="support",
    event_id="e-1",
    event_type="interaction.recorded",
    version=1,
    time=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    user_hash="00ff",
    policy_version="p1",
)
AAD = BINDING.encode()
VERSION_AT, ALGORITHM_AT, ID_AT, SALT_AT, COMMITMENT_AT, CIPHERTEXT_AT = 0, 1, 2, 18, 50, 82


def assert_broken(error: type[SealBroken], key: DataKey, sealed: bytes, aad: bytes) -> None:
    with pytest.raises(SealBroken) as caught:
        unseal(key, sealed, aad)
    assert type(caught.value) is error, (type(caught.value), error)
    assert "canary" not in str(caught.value)
    assert not caught.value.retryable
    assert caught.value.remedy


def independently(key: DataKey, algorithm: int, content: bytes, aad: bytes) -> bytes:
    """Sealed as the format says, by other code."""
    header, salt = bytes((1, algorithm)) + key.id.bytes, os.urandom(32)
    material = HKDF(SHA512(), 64, salt=salt, info=b"sealbook/event/v1").derive(key.secret)
    ciphertext = AESGCM(material[:32]).encrypt(bytes(12), content, header + aad)
    return header + salt + material[32:] + ciphertext
