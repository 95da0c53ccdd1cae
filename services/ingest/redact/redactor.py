"""The redactor: rules compiled once, then documents and clear fields in, masked ones out."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

from services.ingest.redact.leaf import Hits, LeafScanner
from services.ingest.redact.rule import Rule, compile_rule
from services.ingest.redact.tree import JsonValue, TreeScanner

DEADLINE_MS = 2000.0


@dataclass(frozen=True, slots=True)
class Redacted:
    """A document after redaction, and how often each rule hit."""

    document: JsonValue
    hits: dict[str, int]


class Redactor:
    """Compiled once from rules; immutable, may be shared by threads.

    `deadline_ms` is CPU time per begun MiB of one text; past it, the text is masked whole.
    Scanning its own output finds nothing and changes nothing. Raises InvalidInput naming the
    rule that cannot be used.
    """

    def __init__(self, rules: Sequence[Rule], *, deadline_ms: float = DEADLINE_MS) -> None:
        compiled = [compile_rule(rule) for rule in rules]
        enabled = [one for one, rule in zip(compiled, rules, strict=True) if rule.enabled]
        self._leaf = LeafScanner(enabled, deadline_ms=deadline_ms)
        self._tree = TreeScanner(self._leaf)
        self.version = _version(rules)

    def scan(self, document: JsonValue) -> Redacted:
        """The document with every hit masked; never raises, what cannot be judged is masked."""
        hits: Hits = {}
        return Redacted(self._tree.scan(document, hits), hits)

    def text(self, text: str, hits: Hits | None = None) -> tuple[str, dict[str, int]]:
        """One clear field such as a tag; hits are added to those given."""
        hits = {} if hits is None else hits
        return self._leaf.scan(text, "", hits), hits


def _version(rules: Sequence[Rule]) -> str:
    """The policy's name in events: the same rules in the same order have the same version."""
    canonical = json.dumps([asdict(rule) for rule in rules], sort_keys=True)
    return sha256(canonical.encode()).hexdigest()[:12]
