"""Submissions sealed to ingest: opened by it alone, in their project alone, as they were sealed."""

import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import rfc9180
from cryptography.exceptions import InvalidTag

from sealbook.contract.documents import parse
from sealbook.errors import Misconfigured
from sealbook.sealing.submission import SealedBody, SealedWrong, SealTo, UnknownSealKey

CANARY = b"canary-7f3a"
SECRET = bytes(range(7, 39))
KEY_ID = UUID("019a0a0a-0000-7abc-8def-0123456789ab")
OTHER_ID = UUID("019a0a0a-0000-7abc-8def-ffffffffffff")
TO = SealTo.of(KEY_ID, SECRET)
INFO = b"sealbook/submission/v1\0support"
DOCS = Path(__file__).parents[2] / "docs" / "sealing.md"


def body_of(message: bytes) -> SealedBody:
    document = parse(message)
    assert isinstance(document, dict)
    return SealedBody.read(document)


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode()


@pytest.mark.parametrize("body", [b"", b"{}", CANARY, bytes(range(256)), b"x" * 300_000])
def test_what_is_sealed_opens_as_it_was(body: bytes) -> None:
    message = TO.seal(body, "support")
    assert body_of(message).open(KEY_ID, SECRET, "support") == body
    assert len(message) <= len(body) * 4 / 3 + 135


def test_the_message_tells_the_key_and_nothing_else() -> None:
    message = TO.seal(CANARY, "support")
    assert CANARY not in message
    assert list(json.loads(message)) == ["sealed_to", "sealed"]
    assert json.loads(message)["sealed_to"] == str(KEY_ID)
    assert message != TO.seal(CANARY, "support")
    assert "sealed=" not in repr(body_of(message))


def test_every_altered_byte_is_refused() -> None:
    made = body_of(TO.seal(CANARY, "support"))
    for place in range(len(made.sealed)):
        altered = bytearray(made.sealed)
        altered[place] ^= 1
        with pytest.raises(SealedWrong, match="does not open"):
            replace(made, sealed=bytes(altered)).open(KEY_ID, SECRET, "support")


def test_every_altered_character_is_refused() -> None:
    message = json.loads(TO.seal(CANARY, "support"))
    text = message["sealed"]
    for place, character in enumerate(text):
        other = "A" if character != "A" else "B"
        altered = text[:place] + other + text[place + 1 :]
        with pytest.raises(SealedWrong):
            SealedBody.read(message | {"sealed": altered}).open(KEY_ID, SECRET, "support")


@pytest.mark.parametrize("length", [0, 1, 31, 32, 47, 48, 58])
def test_what_is_cut_short_is_refused(length: int) -> None:
    made = body_of(TO.seal(CANARY, "support"))
    assert len(made.sealed) == 59
    with pytest.raises(SealedWrong, match=f"of {length} bytes does not open"):
        replace(made, sealed=made.sealed[:length]).open(KEY_ID, SECRET, "support")


@pytest.mark.parametrize("project", ["sales", "suppor", "support2", "Support", ""])
def test_what_is_moved_to_another_project_is_refused(project: str) -> None:
    made = body_of(TO.seal(CANARY, "support"))
    with pytest.raises(SealedWrong, match="another project"):
        made.open(KEY_ID, SECRET, project)


def test_another_key_is_named_and_not_tried() -> None:
    made = body_of(TO.seal(CANARY, "support"))
    with pytest.raises(UnknownSealKey) as caught:
        made.open(OTHER_ID, SECRET, "support")
    assert str(KEY_ID) in str(caught.value)
    assert str(OTHER_ID) in str(caught.value)


def test_the_right_id_on_another_key_does_not_open() -> None:
    made = body_of(SealTo.of(KEY_ID, bytes(32)).seal(CANARY, "support"))
    with pytest.raises(SealedWrong):
        made.open(KEY_ID, SECRET, "support")


@pytest.mark.parametrize(
    "document",
    [
        {"sealed_to": str(KEY_ID)},
        {"sealed": "QQ"},
        {"sealed_to": str(KEY_ID), "sealed": "QQ", "id": str(KEY_ID)},
        {"sealed_to": 7, "sealed": "QQ"},
        {"sealed_to": str(KEY_ID), "sealed": None},
        {"sealed_to": str(KEY_ID), "sealed": ["QQ"]},
        {"sealed_to": "canary-7f3a", "sealed": "QQ"},
        *(
            {"sealed_to": str(KEY_ID), "sealed": text}
            # Not the alphabet, white space, an impossible length, bits nobody reads, misplaced =
            for text in ("a+b/", "QQ\n", " QQ", "QQQQQ", "QR", "Q=Q=", "QQ===", "ä", "\ud800")
        ),
    ],
)
def test_another_form_is_refused_without_its_text(document: dict[str, object]) -> None:
    with pytest.raises(SealedWrong, match="exactly the fields") as caught:
        SealedBody.read(document)  # type: ignore[arg-type]
    assert "canary" not in str(caught.value)


def test_padding_may_stand_or_not() -> None:
    sealed = body_of(TO.seal(CANARY, "support")).sealed
    padded = encoded(sealed)
    assert padded.endswith("=")
    assert SealedBody.read({"sealed_to": str(KEY_ID), "sealed": padded}).sealed == sealed


def test_a_key_to_seal_to_is_a_line_of_text() -> None:
    line = str(TO)
    assert line == f"sealbook-x25519:{KEY_ID}:{TO.public_text}"
    assert SealTo.read(line) == TO == SealTo.read(f" {line}\n")
    assert SECRET.hex() not in repr(TO) + line
    assert encoded(SECRET) not in repr(TO) + line


@pytest.mark.parametrize(
    "line",
    [
        "",
        "canary-7f3a",
        "sealbook-x25519",
        f"sealbook-x25519:{KEY_ID}",
        f"sealbook-x25519:{KEY_ID}:",
        f"sealbook-x25519:{KEY_ID}:QQ",
        f"sealbook-x25519:canary-7f3a:{TO.public_text}",
        f"sealbook-p256:{KEY_ID}:{TO.public_text}",
        f"{TO}:canary-7f3a",
        f"{TO}\n{TO}",
        f"{TO}AAAA",
        f"sealbook-x25519:{KEY_ID}:{encoded(bytes(32))}",
        f"sealbook-x25519:{KEY_ID}:{encoded(bytes([1] + [0] * 31))}",
    ],
)
def test_what_is_no_such_line_is_refused_without_its_text(line: str) -> None:
    with pytest.raises(Misconfigured, match="sealbook keys public") as caught:
        SealTo.read(line)
    assert "canary" not in str(caught.value)


def test_the_second_implementation_is_that_of_the_rfc() -> None:
    """RFC 9180, appendix A.1.1, first encryption: everything as here but AES-128."""
    private = bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
    ephemeral = bytes.fromhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736")
    enc = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
    ciphertext = bytes.fromhex(
        "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"
    )
    info, aad = b"Ode on a Grecian Urn", b"Count-0"
    plaintext = b"Beauty is truth, truth beauty"
    aes = rfc9180.AES_128_GCM
    recipient = rfc9180.public(private)
    assert rfc9180.seal(aes, ephemeral, recipient, info, plaintext, aad) == enc + ciphertext
    assert rfc9180.unseal(aes, private, info, enc + ciphertext, aad) == plaintext


def test_another_implementation_opens_what_we_seal() -> None:
    sealed = body_of(TO.seal(CANARY, "support")).sealed
    assert rfc9180.unseal(rfc9180.AES_256_GCM, SECRET, INFO, sealed) == CANARY
    with pytest.raises(InvalidTag):
        rfc9180.unseal(rfc9180.AES_256_GCM, SECRET, INFO + b"2", sealed)


def test_we_open_what_another_implementation_seals() -> None:
    recipient = TO.public_key.public_bytes_raw()
    sealed = rfc9180.seal(rfc9180.AES_256_GCM, bytes(range(32)), recipient, INFO, CANARY)
    assert SealedBody(KEY_ID, sealed).open(KEY_ID, SECRET, "support") == CANARY


def test_the_vector_of_the_documentation_is_right() -> None:
    block = DOCS.read_text().split("<!-- test vector -->")[1].split("```")[1]
    vector = {line[:18].strip(): line[18:] for line in block.strip().splitlines()}
    private, ephemeral = (
        bytes.fromhex(vector["private key"]),
        bytes.fromhex(vector["ephemeral key"]),
    )
    info, plaintext = bytes.fromhex(vector["info"]), vector["plaintext"].encode()
    to = SealTo.read(vector["line"])
    assert to == SealTo.of(to.key_id, private)
    assert info == b"sealbook/submission/v1\0" + vector["project"].encode()

    recipient, aes = rfc9180.public(private), rfc9180.AES_256_GCM
    made = rfc9180.sealing(aes, ephemeral, recipient, info)
    derived = [vector[name] for name in ("shared secret", "key", "nonce")]
    assert [made.shared_secret.hex(), made.key.hex(), made.nonce.hex()] == derived
    body = body_of(vector["message"].encode())
    assert body.sealed == rfc9180.seal(aes, ephemeral, recipient, info, plaintext)
    assert body.open(to.key_id, private, vector["project"]) == plaintext
