"""Interaction ids: UUIDv7 to the bit, and derived ones the same for the same delivery."""

import os
import time
from uuid import RFC_4122, UUID

import pytest

from sealbook.contract.ids import derived_id, new_id

# RFC 9562, appendix A.6: the time, rand_a and rand_b of its example.
EXAMPLE = UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
EXAMPLE_MS = 0x017F22E279B0


def made(monkeypatch: pytest.MonkeyPatch, unix_ms: int, entropy: bytes) -> UUID:
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: unix_ms * 1_000_000 + 999_999)
        patch.setattr(os, "urandom", lambda size: entropy[:size])
        return new_id()


def test_the_example_of_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    entropy = bytes.fromhex("0CC318C4DC0C0C07398F")
    assert made(monkeypatch, EXAMPLE_MS, entropy) == EXAMPLE


@pytest.mark.parametrize("entropy", [bytes(10), b"\xff" * 10])
def test_version_and_variant_stand_whatever_the_random_bits(
    monkeypatch: pytest.MonkeyPatch, entropy: bytes
) -> None:
    one = made(monkeypatch, EXAMPLE_MS, entropy)
    assert (one.version, one.variant) == (7, RFC_4122)
    random_bits = one.int & ~(0xF << 76) & ~(0x3 << 62) & (2**80 - 1)
    assert random_bits.bit_count() == (0 if entropy == bytes(10) else 74)
    assert one.int >> 80 == EXAMPLE_MS


def test_later_ids_sort_after_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = made(monkeypatch, EXAMPLE_MS, b"\xff" * 10)
    later = made(monkeypatch, EXAMPLE_MS + 1, bytes(10))
    assert earlier < later
    assert str(earlier) < str(later)


def test_fresh_ids_differ() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000


def test_a_derived_id_is_the_same_for_the_same_time_and_parts() -> None:
    one = derived_id(EXAMPLE_MS, "sealbook.submit.p", 7, b"\x00")
    assert one == derived_id(EXAMPLE_MS, "sealbook.submit.p", 7, b"\x00")
    assert (one.version, one.variant, one.int >> 80) == (7, RFC_4122, EXAMPLE_MS)


def test_derived_ids_stay_what_they_were() -> None:
    # A second delivery after an upgrade must find the id of the first.
    expected = UUID("017f22e2-79b0-7242-bc39-261509785cb9")
    assert derived_id(EXAMPLE_MS, "sealbook.submit.support", 7) == expected


@pytest.mark.parametrize(
    "other",
    [
        (EXAMPLE_MS + 1, "ab", "c"),
        (EXAMPLE_MS, "a", "bc"),
        (EXAMPLE_MS, "abc"),
        (EXAMPLE_MS, "ab", "c", ""),
        (EXAMPLE_MS, "c", "ab"),
    ],
)
def test_other_time_or_parts_give_another_derived_id(other: tuple[int, *tuple[str, ...]]) -> None:
    assert derived_id(*other) != derived_id(EXAMPLE_MS, "ab", "c")
