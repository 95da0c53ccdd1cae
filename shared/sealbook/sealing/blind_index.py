"""Keyed hashes that stand for a value without telling it: who the user is, what the content was."""

import hashlib
import hmac

from sealbook.contract import documents
from sealbook.contract.documents import JsonValue
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Scope


def index_scope(project: str) -> Scope:
    """The scope of the key behind a project's keyed hashes."""
    return Scope(project, "index", "")


def user_hash(key: DataKey, user: str) -> str:
    """The same for the same user of a project (HMAC-SHA-256, 128 bits, hex)."""
    return hmac.digest(key.secret, b"user\0" + user.encode(), hashlib.sha256)[:16].hex()


def content_hash(key: DataKey, document: JsonValue) -> str:
    """The same for the same content, whatever the order of its keys."""
    return documents.fingerprint(document, key.secret)
