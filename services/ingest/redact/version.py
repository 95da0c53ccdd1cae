"""The name a redaction policy has in events."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from hashlib import sha256

from services.ingest.redact.rule import Rule


def policy_version(rules: Iterable[Rule], detectors: Iterable[str]) -> str:
    """The same rules and detectors in the same order have the same version everywhere."""
    policy = {"rules": [asdict(rule) for rule in rules], "detectors": list(detectors)}
    return sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()[:12]
