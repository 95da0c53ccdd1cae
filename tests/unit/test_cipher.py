"""Sealing: opens with the same key in the same place, and in no other way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sealbook.errors import SealBroken
from sealbook.sealing.binding import Binding
from sealbook.sealing.cipher import DataKey, key_id_of, seal, unseal

KEY = DataKey(UUID(int=7), b"k" * 32)
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
OVERHEAD = 1 + 1 + 16 + 32 + 32


def assert_broken(key: DataKey, sealed: bytes, aad: bytes) -> None:
    with pytest.raises(SealBroken) as caught:
        unseal(key, sealed, aad)
    assert "canary" not in str(caught.value)
    assert not caught.value.retryable


@pytest.mark.parametrize("plaintext", [b"", b"\0", PLAINTEXT, b"a" * 2**20, bytes(range(256))])
def test_what_was_sealed_opens(plaintext: bytes) -> None:
    assert unseal(KEY, seal(KEY, plaintext, AAD), AAD) == plaintext


def test_the_layout_is_the_documented_one() -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    assert sealed[:2] == b"\x01\x02"
    assert sealed[2:18] == KEY.id.bytes
    material = HKDF(SHA512(), 64, salt=sealed[18:50], info=b"sealbook/event/v1").derive(KEY.secret)
    assert sealed[50:82] == material[32:]
    opened = AESGCM(material[:32]).decrypt(bytes(12), sealed[82:], sealed[:18] + AAD)
    assert zstandard.ZstdDecompressor().decompress(opened) == PLAINTEXT


def test_sealed_bytes_tell_which_key_opens_them_and_nothing_of_the_text() -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
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


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_every_altered_byte_is_noticed(change: int) -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    assert len(sealed) > OVERHEAD + 16
    for at in range(len(sealed)):
        altered = bytearray(sealed)
        altered[at] ^= change
        assert_broken(KEY, bytes(altered), AAD)


def test_every_truncation_and_every_addition_is_noticed() -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    for length in range(len(sealed)):
        assert_broken(KEY, sealed[:length], AAD)
    assert_broken(KEY, sealed + b"\0", AAD)


def test_another_key_does_not_open_it() -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    assert_broken(DataKey(UUID(int=8), KEY.secret), sealed, AAD)
    assert_broken(DataKey(KEY.id, b"x" * 32), sealed, AAD)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_of_the_format_is_refused_by_name(version: int) -> None:
    sealed = bytes((version,)) + seal(KEY, PLAINTEXT, AAD)[1:]
    with pytest.raises(SealBroken, match="not a sealed payload of version 1"):
        key_id_of(sealed)
    assert_broken(KEY, sealed, AAD)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"project": "suppor"},
        {"event_id": "e-2"},
        {"event_type": "interaction.reviewed"},
        {"version": 2},
        {"time": BINDING.time + timedelta(microseconds=1)},
        {"user_hash": "00fe"},
        {"user_hash": None},
        {"policy_version": "p2"},
        {"policy_version": ""},
    ],
)
def test_a_payload_does_not_open_in_another_place(elsewhere: dict[str, Any]) -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    assert_broken(KEY, sealed, replace(BINDING, **elsewhere).encode())


def test_the_binding_is_the_same_in_every_time_zone() -> None:
    local = BINDING.time.astimezone(timezone(timedelta(hours=-7)))
    assert replace(BINDING, time=local).encode() == AAD


def test_moving_a_letter_between_parts_changes_the_binding() -> None:
    one = replace(BINDING, project="ab", event_id="c")
    assert one.encode() != replace(BINDING, project="a", event_id="bc").encode()


def test_the_secret_of_a_key_is_not_shown() -> None:
    assert "kkkk" not in repr(KEY)
