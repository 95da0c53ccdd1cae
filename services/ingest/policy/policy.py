"""A policy as a value: a document of redaction rules or of own prices, and its version. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Literal

from sealbook.contract import documents
from sealbook.contract.documents import JsonValue
from services.ingest.price.rules import price_rules
from services.ingest.redact.policy import redaction_policy

Name = Literal["redaction", "pricing"]
NAMES: tuple[Name, ...] = ("redaction", "pricing")

_BUILT_IN: Mapping[Name, JsonValue] = {"redaction": {"rules": []}, "pricing": {"prices": []}}


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, and who put it in force when; `position` is where in the log, 0 is built in."""

    name: Name
    document: JsonValue = field(repr=False)
    version: str
    actor: str | None = None
    changed_at: datetime | None = None
    position: int = 0


def built_in(name: Name) -> Policy:
    """What is in force before anybody put anything."""
    return policy(name, _BUILT_IN[name])


def policy(name: Name, document: JsonValue) -> Policy:
    """The policy of a document; the same content has the same version.

    Raises:
        InvalidInput: naming the rule that cannot be used, and why.
    """
    if name == "redaction":
        return Policy(name, document, redaction_policy(document).version)
    price_rules(document)
    return Policy(name, document, sha256(documents.canonical(document)).hexdigest()[:12])
