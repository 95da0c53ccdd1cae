"""The frames of a sealed payload: three documents, byte for byte, or a refusal."""

import json

import pytest

from sealbook.errors import SealBroken
from sealbook.sealing.payload import Payload

PAYLOAD = Payload(b'{"messages":[]}', b"null", '{"user":"größe"}'.encode())


def test_documents_come_back_byte_for_byte() -> None:
    assert Payload.decode(PAYLOAD.encode()) == PAYLOAD


def test_frames_are_lengths_of_four_bytes_each_before_its_document() -> None:
    assert Payload(b"1", b"", b"{}").encode() == b"\0\0\0\x011" + b"\0\0\0\0" + b"\0\0\0\x02{}"


def test_values_become_compact_documents() -> None:
    made = Payload.of({"b": [1], "a": 10**30}, None, {"user": "größe", "metadata": {}})
    assert made.request == b'{"b":[1],"a":1000000000000000000000000000000}'
    assert made.response == b"null"
    assert json.loads(made.rest) == made.rest_fields() == {"user": "größe", "metadata": {}}


def test_every_truncation_is_refused() -> None:
    framed = PAYLOAD.encode()
    for length in range(len(framed)):
        with pytest.raises(SealBroken, match=f"its {length} bytes"):
            Payload.decode(framed[:length])


@pytest.mark.parametrize(
    "framed", [PAYLOAD.encode() + b"x", b"\xff" * 12, b"\0" * 11, b"\0" * 13, b"\xff" * 64]
)
def test_lengths_that_do_not_add_up_are_refused(framed: bytes) -> None:
    with pytest.raises(SealBroken):
        Payload.decode(framed)


def test_an_empty_document_is_a_frame_too() -> None:
    assert Payload.decode(b"\0" * 12) == Payload(b"", b"", b"")
