"""Submissions sealed to ingest's public key, so that the bus never holds their plaintext.

HPKE (RFC 9180), base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. What recorders
import; docs/sealing.md tells how another language does the same.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from sealbook.contract import documents
from sealbook.contract.documents import JsonValue
from sealbook.errors import InvalidInput, Misconfigured

PREFIX = "sealbook-x25519"
FIELDS = frozenset({"sealed_to", "sealed"})
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_ALPHABET = re.compile(r"[A-Za-z0-9_-]*={0,2}")


class UnknownSealKey(InvalidInput):
    """A submission is sealed to a key that ingest does not have."""

    code = "unknown_seal_key"


class SealedWrong(InvalidInput):
    """A sealed submission is malformed, altered, or was sealed for another project."""

    code = "sealed_wrong"


@dataclass(frozen=True, slots=True)
class SealTo:
    """Ingest's public key, and the id of its private half. As text it is one line:
    `sealbook-x25519:<key id>:<base64url public key>`."""

    key_id: UUID
    public_key: X25519PublicKey

    @classmethod
    def of(cls, key_id: UUID, secret: bytes) -> "SealTo":
        """The public half of a private key of 32 bytes."""
        return cls(key_id, X25519PrivateKey.from_private_bytes(secret).public_key())

    @classmethod
    def read(cls, text: str) -> "SealTo":
        """The key in a line of text. Raises Misconfigured when it is none."""
        prefix, *parts = text.strip().split(":")
        try:
            key_id, raw = UUID(parts[0]), _decoded(parts[1])
            found = cls(key_id, X25519PublicKey.from_public_bytes(raw))
            if prefix != PREFIX or len(parts) != 2:
                raise ValueError
            found.seal(b"", "")  # a point of small order encrypts nothing, and passes until here
        except (ValueError, IndexError):
            raise Misconfigured(
                f"What to seal submissions to is not a line `{PREFIX}:<key id>:<public key>` "
                f"({len(text)} characters).",
                remedy="Take the line that `sealbook keys public` prints.",
            ) from None
        return found

    def __str__(self) -> str:
        return f"{PREFIX}:{self.key_id}:{self.public_text}"

    @property
    def public_text(self) -> str:
        """The public key's 32 bytes as base64url."""
        return _encoded(self.public_key.public_bytes_raw())

    def seal(self, body: bytes, project: str) -> bytes:
        """The message to put on the bus instead of `body`; it opens in `project` only. It is
        larger by a third, and some 130 bytes."""
        sealed = _SUITE.encrypt(body, self.public_key, info=_info(project))
        return documents.compact({"sealed_to": str(self.key_id), "sealed": _encoded(sealed)})


@dataclass(frozen=True, slots=True)
class SealedBody:
    """A sealed submission as it lies on the bus."""

    sealed_to: UUID
    sealed: bytes = field(repr=False)

    @classmethod
    def read(cls, document: dict[str, JsonValue]) -> "SealedBody":
        """The sealed body in a parsed message. Raises SealedWrong when it has another form."""
        sealed_to, sealed = document.get("sealed_to"), document.get("sealed")
        try:
            if document.keys() != FIELDS:
                raise ValueError
            if not isinstance(sealed_to, str) or not isinstance(sealed, str):
                raise ValueError
            return cls(UUID(sealed_to), _decoded(sealed))
        except ValueError:
            raise SealedWrong(
                "A sealed submission has exactly the fields `sealed_to`, a key id, and `sealed`, "
                "base64url.",
                remedy="docs/sealing.md tells how to make one.",
            ) from None

    def open(self, key_id: UUID, secret: bytes, project: str) -> bytes:
        """The body that was sealed for `project`.

        Raises:
            UnknownSealKey: it is sealed to another key than `key_id`.
            SealedWrong: any byte altered, sealed for another project, or to another public key.
        """
        if self.sealed_to != key_id:
            raise UnknownSealKey(
                f"The submission is sealed to the key {self.sealed_to}; ingest has {key_id}.",
                remedy="Seal to the key that `sealbook keys public` prints.",
            )
        private = X25519PrivateKey.from_private_bytes(secret)
        try:
            return _SUITE.decrypt(self.sealed, private, info=_info(project))
        except InvalidTag:
            raise SealedWrong(
                f"The sealed submission of {len(self.sealed)} bytes does not open: it was "
                "altered, or sealed for another project or with another public key.",
                remedy="Seal it for the project of its subject, to the line of "
                "`sealbook keys public`.",
            ) from None


def _info(project: str) -> bytes:
    # Single-shot HPKE binds its context by `info`, not by associated data: RFC 9180, section 8.1.
    return b"sealbook/submission/v1\0" + project.encode()


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Strict, unlike the standard library's: one text per value, but for its padding."""
    if not _ALPHABET.fullmatch(text):
        raise ValueError("not base64url")
    bare = text.rstrip("=")
    raw = urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    if _encoded(raw) != bare:
        raise ValueError("not base64url")
    return raw
