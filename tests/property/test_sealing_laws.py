"""Laws of sealing: what was sealed opens to the same bytes, and any other bit does not open."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealbook.errors import AlteredSeal, SealBroken
from sealbook.sealing.binding import Binding
from sealbook.sealing.cipher import DataKey, key_id_of, seal, unseal
from sealbook.sealing.payload import Payload

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

keys = st.builds(DataKey, st.uuids(), st.binary(min_size=32, max_size=32))
contents = st.binary(max_size=300)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
bindings = st.builds(
    Binding,
    project=texts,
    event_id=texts,
    event_type=texts,
    version=st.integers(1, 20),
    time=st.datetimes(timezones=st.just(UTC)),
    user_hash=st.none() | texts.filter(bool),
    policy_version=texts,
)


@given(key=keys, plaintext=contents, binding=bindings, compress=st.booleans())
@settings(max_examples=200, deadline=None)
def test_what_was_sealed_opens_to_the_same_bytes(
    key: DataKey, plaintext: bytes, binding: Binding, compress: bool
) -> None:
    sealed = seal(key, plaintext, binding.encode(), compress=compress)
    assert unseal(key, sealed, binding.encode()) == plaintext
    assert key_id_of(sealed) == key.id


@given(key=keys, plaintext=contents, aad=contents, compress=st.booleans(), data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_single_bit_that_flips_is_noticed(
    key: DataKey, plaintext: bytes, aad: bytes, compress: bool, data: st.DataObject
) -> None:
    sealed = seal(key, plaintext, aad, compress=compress)
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    altered = (int.from_bytes(sealed, "big") ^ 1 << bit).to_bytes(len(sealed), "big")
    with pytest.raises(SealBroken):
        unseal(key, altered, aad)


@given(key=keys, other=keys, plaintext=contents, aad=contents)
@settings(max_examples=100, deadline=None)
def test_no_other_key_opens_it_even_under_the_same_id(
    key: DataKey, other: DataKey, plaintext: bytes, aad: bytes
) -> None:
    sealed = seal(key, plaintext, aad)
    if other.secret == key.secret:
        other = DataKey(other.id, bytes(32) if any(key.secret) else b"\1" * 32)
    for candidate in (other, DataKey(key.id, other.secret)):
        with pytest.raises(SealBroken):
            unseal(candidate, sealed, aad)


@given(key=keys, plaintext=contents, one=bindings, other=bindings)
@settings(max_examples=200, deadline=None)
def test_a_payload_opens_only_where_it_was_sealed(
    key: DataKey, plaintext: bytes, one: Binding, other: Binding
) -> None:
    sealed = seal(key, plaintext, one.encode())
    if one != other:
        with pytest.raises(AlteredSeal):
            unseal(key, sealed, other.encode())


@given(garbage=st.binary(max_size=200) | st.binary(max_size=200).map(b"\x01\x02".__add__))
@settings(max_examples=300, deadline=None)
def test_bytes_that_nobody_sealed_do_not_open(garbage: bytes) -> None:
    with pytest.raises(SealBroken):
        unseal(DataKey(UUID(bytes=garbage[2:18].ljust(16)), b"k" * 32), garbage, b"")


@given(one=bindings, data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_binding_that_differs_in_one_part_has_other_bytes(
    one: Binding, data: st.DataObject
) -> None:
    other = data.draw(bindings)
    name = data.draw(st.sampled_from([field.name for field in fields(Binding)]))
    changed = replace(one, **{name: getattr(other, name)})
    assert (changed.encode() == one.encode()) == (changed == one)


@given(
    letters=st.text("1a", min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 4), min_size=4, max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_letters_do_not_run_from_one_part_into_another(letters: str, cuts: list[int]) -> None:
    def binding(first: int, second: int) -> Binding:
        first, second = sorted((first, second))
        parts = (letters[:first], letters[first:second], letters[second:])
        return Binding(*parts, version=1, time=EPOCH)

    one, other = binding(*cuts[:2]), binding(*cuts[2:])
    assert (one.encode() == other.encode()) == (one == other)


@given(time=st.datetimes(timezones=st.just(UTC)), microsecond=st.integers(0, 999_998))
@settings(max_examples=300, deadline=None)
def test_neighbouring_microseconds_are_different_times(time: datetime, microsecond: int) -> None:
    def encoded(at: int) -> bytes:
        return Binding("p", "e", "t", 1, time.replace(microsecond=at)).encode()

    assert encoded(microsecond) != encoded(microsecond + 1)


@given(request=contents, response=contents, rest=contents)
@settings(max_examples=200, deadline=None)
def test_a_payload_comes_out_of_its_frames(request: bytes, response: bytes, rest: bytes) -> None:
    payload = Payload(request, response, rest)
    assert Payload.decode(payload.encode()) == payload


@given(framed=st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_frames_are_a_payload_or_broken(framed: bytes) -> None:
    try:
        payload = Payload.decode(framed)
    except SealBroken:
        return
    assert payload.encode() == framed
