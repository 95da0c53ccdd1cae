"""Sealing: opens with the same key in the same place, and has the documented format."""

import os
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sealed import AAD, ALGORITHM_AT, BINDING, CIPHERTEXT_AT, KEY, PLAINTEXT, independently

from sealbook.sealing.cipher import PLAIN, ZSTD, key_id_of, seal, unseal

# Made by another implementation of HKDF and AES-GCM; the salt is 64 65 66 … 83.
KNOWN_BINDING = bytes.fromhex(
    "00000007737570706f727400000003652d3100000014696e746572616374696f6e2e7265636f7264656400000001"
    "310000001031373637333233303435363738393031000000043030666600000002"
    "7031"
)
KNOWN_HEAD = (
    "019a0a0a00007abc8def0123456789ab6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f8081"
    "8283e37b5ee3e29ccd8cf0f02f29cfd521cefe34ea4ce55f4449a81936c4edf81501"
)
KNOWN_PLAIN = bytes.fromhex(
    "0101" + KNOWN_HEAD + "6b28931f034bf426f18c48d76c12f5ee16bb339bfb4fc581a5cd596fd9e09b7b0d46c974"
    "d957a3"
)
KNOWN_ZSTD = bytes.fromhex(
    "0102" + KNOWN_HEAD + "38bfc8875b63231cd11650947616ffe319b6758af90cd6affa4f7ee5978d7d13ff1aea2d"
    "24bd62db34cf306f818ca8221ce791c9aaeb11"
)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("plaintext", [b"", b"\0", PLAINTEXT, b"a" * 2**20, bytes(range(256))])
def test_what_was_sealed_opens(plaintext: bytes, compress: bool) -> None:
    assert unseal(KEY, seal(KEY, plaintext, AAD, compress=compress), AAD) == plaintext


def test_the_layout_is_the_documented_one() -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    assert sealed[:2] == b"\x01\x02"
    assert sealed[2:18] == KEY.id.bytes
    material = HKDF(SHA512(), 64, salt=sealed[18:50], info=b"sealbook/event/v1").derive(KEY.secret)
    assert sealed[50:82] == material[32:]
    opened = AESGCM(material[:32]).decrypt(bytes(12), sealed[82:], sealed[:18] + AAD)
    assert zstandard.ZstdDecompressor().decompress(opened) == PLAINTEXT


def test_what_other_code_sealed_opens() -> None:
    assert unseal(KEY, independently(KEY, PLAIN, PLAINTEXT, AAD), AAD) == PLAINTEXT
    frame = zstandard.ZstdCompressor(level=19).compress(PLAINTEXT)
    assert unseal(KEY, independently(KEY, ZSTD, frame, AAD), AAD) == PLAINTEXT


def test_the_known_answers_stay_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert AAD == KNOWN_BINDING
    assert unseal(KEY, KNOWN_PLAIN, AAD) == PLAINTEXT
    assert unseal(KEY, KNOWN_ZSTD, AAD) == PLAINTEXT * 4
    monkeypatch.setattr(os, "urandom", lambda size: bytes(range(100, 100 + size)))
    assert seal(KEY, PLAINTEXT, AAD, compress=False) == KNOWN_PLAIN


def test_without_compression_the_algorithm_byte_says_so() -> None:
    text = b"a" * 100_000
    sealed = seal(KEY, text, AAD, compress=False)
    assert (sealed[ALGORITHM_AT], len(sealed)) == (PLAIN, CIPHERTEXT_AT + len(text) + 16)


def test_sealed_bytes_tell_which_key_opens_them_and_nothing_of_the_text() -> None:
    for compress in (True, False):
        sealed = seal(KEY, PLAINTEXT, AAD, compress=compress)
        assert key_id_of(sealed) == KEY.id
        assert b"canary" not in sealed
        assert KEY.secret not in sealed


def test_two_seals_of_the_same_text_share_nothing_but_the_header() -> None:
    one, other = seal(KEY, PLAINTEXT, AAD), seal(KEY, PLAINTEXT, AAD)
    assert one[:18] == other[:18]
    parts = (slice(18, 50), slice(50, 82), slice(82, None))
    assert all(one[part] != other[part] for part in parts)


def test_repetition_is_compressed_before_it_is_sealed() -> None:
    assert len(seal(KEY, b"a" * 100_000, AAD)) < 1000


def test_the_binding_is_the_same_in_every_time_zone() -> None:
    local = BINDING.time.astimezone(timezone(timedelta(hours=-7)))
    assert replace(BINDING, time=local).encode() == AAD


def test_moving_a_letter_between_parts_changes_the_binding() -> None:
    one = replace(BINDING, project="ab", event_id="c")
    assert one.encode() != replace(BINDING, project="a", event_id="bc").encode()


def test_the_secret_of_a_key_is_not_shown() -> None:
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY.secret) not in repr(KEY)
