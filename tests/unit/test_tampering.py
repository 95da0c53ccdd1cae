"""Each way to tamper with sealed bytes fails with its own error.

The tables are exhaustive in positions, bits and lengths, in the manner of Project Wycheproof.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import zstandard
from sealed import (
    AAD,
    ALGORITHM_AT,
    BINDING,
    CIPHERTEXT_AT,
    COMMITMENT_AT,
    ID_AT,
    KEY,
    OTHER,
    PLAINTEXT,
    SALT_AT,
    VERSION_AT,
    assert_broken,
    independently,
)

from sealbook.errors import (
    AlteredSeal,
    BrokenCommitment,
    BrokenContent,
    SealBroken,
    UnknownSeal,
    WrongKey,
)
from sealbook.sealing import compression
from sealbook.sealing.cipher import PLAIN, ZSTD, DataKey, key_id_of, seal, unseal

ERRORS = (UnknownSeal, WrongKey, BrokenCommitment, AlteredSeal, BrokenContent)
ELSEWHERE: list[dict[str, Any]] = [
    {"project": "suppor"},
    {"project": "sales"},
    {"event_id": "e-2"},
    {"event_type": "interaction.reviewed"},
    {"version": 2},
    {"time": BINDING.time + timedelta(microseconds=1)},
    {"user_hash": "00fe"},
    {"user_hash": None},
    {"policy_version": "p2"},
    {"policy_version": ""},
]


def expected(at: int, altered: int) -> type[SealBroken]:
    """The error for a byte that was altered to another value."""
    if at == VERSION_AT or (at == ALGORITHM_AT and altered not in (PLAIN, ZSTD)):
        return UnknownSeal
    if ID_AT <= at < SALT_AT:
        return WrongKey
    if SALT_AT <= at < CIPHERTEXT_AT:
        return BrokenCommitment
    return AlteredSeal


def test_each_way_to_be_broken_has_its_own_code() -> None:
    assert len({error.code for error in (SealBroken, *ERRORS)}) == len(ERRORS) + 1
    assert all(issubclass(error, SealBroken) and not error.retryable for error in ERRORS)


@pytest.mark.parametrize("change", [*(1 << bit for bit in range(8)), 0xFF, 0x03])
@pytest.mark.parametrize("compress", [True, False])
def test_every_altered_byte_fails_with_the_error_of_its_part(change: int, compress: bool) -> None:
    sealed = seal(KEY, PLAINTEXT, AAD, compress=compress)
    assert len(sealed) > CIPHERTEXT_AT + 16
    for at in range(len(sealed)):
        altered = bytearray(sealed)
        altered[at] ^= change
        assert_broken(expected(at, altered[at]), KEY, bytes(altered), AAD)


@pytest.mark.parametrize("change", range(1, 256))
def test_every_value_of_the_first_two_bytes_is_known_or_refused(change: int) -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    for at in (VERSION_AT, ALGORITHM_AT):
        altered = bytearray(sealed)
        altered[at] ^= change
        assert_broken(expected(at, altered[at]), KEY, bytes(altered), AAD)


def test_every_truncation_and_every_addition_is_noticed() -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    for length in range(len(sealed)):
        error = UnknownSeal if length < CIPHERTEXT_AT else AlteredSeal
        assert_broken(error, KEY, sealed[:length], AAD)
    for more in (b"\0", b"\xff", sealed, bytes(10_000)):
        assert_broken(AlteredSeal, KEY, sealed + more, AAD)
    assert_broken(UnknownSeal, KEY, b"\0" + sealed, AAD)


def test_every_part_left_out_is_noticed() -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    for start, end in ((ID_AT, SALT_AT), (SALT_AT, COMMITMENT_AT), (COMMITMENT_AT, CIPHERTEXT_AT)):
        with pytest.raises(SealBroken):
            unseal(KEY, sealed[:start] + sealed[end:], AAD)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_of_the_format_is_refused_by_name(version: int) -> None:
    sealed = bytes((version,)) + seal(KEY, PLAINTEXT, AAD)[1:]
    with pytest.raises(UnknownSeal, match="not a sealed payload of version 1"):
        key_id_of(sealed)
    assert_broken(UnknownSeal, KEY, sealed, AAD)


@pytest.mark.parametrize("compress", [True, False])
def test_the_algorithm_cannot_be_swapped(compress: bool) -> None:
    sealed = bytearray(seal(KEY, PLAINTEXT, AAD, compress=compress))
    sealed[ALGORITHM_AT] = PLAIN if compress else ZSTD
    assert_broken(AlteredSeal, KEY, bytes(sealed), AAD)


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_a_payload_does_not_open_in_another_place(elsewhere: dict[str, Any]) -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    assert_broken(AlteredSeal, KEY, sealed, replace(BINDING, **elsewhere).encode())


def test_another_projects_key_is_another_key() -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    assert_broken(WrongKey, OTHER, sealed, AAD)
    assert_broken(WrongKey, OTHER, sealed, replace(BINDING, project="sales").encode())
    assert_broken(WrongKey, DataKey(OTHER.id, KEY.secret), sealed, AAD)


def test_another_secret_under_the_same_id_breaks_the_commitment() -> None:
    sealed = seal(KEY, PLAINTEXT, AAD)
    assert_broken(BrokenCommitment, DataKey(KEY.id, OTHER.secret), sealed, AAD)
    for bit in range(256):
        secret = (int.from_bytes(KEY.secret) ^ 1 << bit).to_bytes(32)
        assert_broken(BrokenCommitment, DataKey(KEY.id, secret), sealed, AAD)


def test_a_key_id_put_in_its_place_breaks_the_commitment() -> None:
    sealed = bytearray(seal(KEY, PLAINTEXT, AAD))
    sealed[ID_AT:SALT_AT] = OTHER.id.bytes
    assert_broken(BrokenCommitment, OTHER, bytes(sealed), AAD)
    assert_broken(WrongKey, KEY, bytes(sealed), AAD)
    # Even with the right secret under that id: the id is authenticated too.
    assert_broken(AlteredSeal, DataKey(OTHER.id, KEY.secret), bytes(sealed), AAD)


PARTS: list[tuple[slice, type[SealBroken]]] = [
    (slice(0, None), AlteredSeal),
    (slice(CIPHERTEXT_AT, None), AlteredSeal),
    (slice(CIPHERTEXT_AT, -16), AlteredSeal),
    (slice(-16, None), AlteredSeal),
    (slice(SALT_AT, None), AlteredSeal),
    (slice(SALT_AT, CIPHERTEXT_AT), AlteredSeal),
    (slice(SALT_AT, COMMITMENT_AT), BrokenCommitment),
    (slice(COMMITMENT_AT, CIPHERTEXT_AT), BrokenCommitment),
]


@pytest.mark.parametrize(("part", "error"), PARTS)
def test_no_part_of_another_events_seal_fits(part: slice, error: type[SealBroken]) -> None:
    mine = bytearray(seal(KEY, PLAINTEXT, AAD))
    mine[part] = seal(KEY, PLAINTEXT, replace(BINDING, event_id="e-2").encode())[part]
    assert_broken(error, KEY, bytes(mine), AAD)


def test_even_where_a_salt_repeats_nothing_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", bytes)
    elsewhere = replace(BINDING, event_id="e-2").encode()
    mine, theirs = seal(KEY, PLAINTEXT, AAD), seal(KEY, PLAINTEXT, elsewhere)
    assert mine[:CIPHERTEXT_AT] == theirs[:CIPHERTEXT_AT]
    assert_broken(AlteredSeal, KEY, theirs, AAD)
    assert_broken(AlteredSeal, KEY, mine[:-16] + theirs[-16:], AAD)
    assert unseal(KEY, theirs, elsewhere) == PLAINTEXT


GARBAGE: list[Callable[[], bytes]] = [
    lambda: b"",
    lambda: PLAINTEXT,
    lambda: zstandard.ZstdCompressor().compress(PLAINTEXT)[:-1],
    lambda: zstandard.ZstdCompressor(write_checksum=True).compress(PLAINTEXT)[:-1] + b"\0",
    # A frame that says it holds 2**62 bytes, and one that says nothing and holds too many.
    lambda: bytes.fromhex("28b52ffde0") + (2**62).to_bytes(8, "little") + b"\x01\0\0",
]


@pytest.mark.parametrize("content", GARBAGE)
def test_what_opens_but_does_not_decompress_is_said(content: Callable[[], bytes]) -> None:
    assert_broken(BrokenContent, KEY, independently(KEY, ZSTD, content(), AAD), AAD)


def test_no_more_is_decompressed_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MAX_BYTES", 1000)
    streamed = zstandard.ZstdCompressor(write_content_size=False)
    for size, fits in ((1000, True), (1001, False)):
        for frame in (streamed.compress(b"a" * size), compression.compress(b"a" * size)):
            sealed = independently(KEY, ZSTD, frame, AAD)
            if fits:
                assert unseal(KEY, sealed, AAD) == b"a" * size
            else:
                assert_broken(BrokenContent, KEY, sealed, AAD)
