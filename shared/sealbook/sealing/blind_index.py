"""Keyed hashes that stand for a value without telling it: who the user is, what the content was."""

import hashlib
import hmac

from sealbook.sealing.cipher import DataKey
from sealbook.sealing.scope import Scope


def index_scope(project: str) -> Scope:
    """The scope of the key behind a project's keyed hashes."""
    return Scope(project, "index", "")


def user_hash(key: DataKey, user: str) -> str:
    """The same for the same user of a project (HMAC-SHA-256, 128 bits, hex)."""
    return hmac.digest(key.secret, b"user\0" + user.encode(), hashlib.sha256)[:16].hex()


def pseudonym_key(key: DataKey) -> bytes:
    """The key behind a project's pseudonyms; whoever holds it cannot make any other hash."""
    return hmac.digest(key.secret, b"pseudonym\0", hashlib.sha256)


def content_hash(key: DataKey, canonical: bytes) -> str:
    """Tells one content from another without letting a reader of the log confirm a guess (HMAC-
    SHA-256, 128 bits, hex). `canonical` is the content in one byte form."""
    return hmac.digest(key.secret, b"content\0" + canonical, hashlib.sha256)[:16].hex()
