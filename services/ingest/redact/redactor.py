"""The redactor: rules compiled once, then documents and clear fields in, masked ones out."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

from services.ingest.redact.detection import Detector
from services.ingest.redact.explain import Finding, findings
from services.ingest.redact.leaf import LeafScanner
from services.ingest.redact.rule import Rule, compile_rule
from services.ingest.redact.scan import Hits, Scan
from services.ingest.redact.survey import Survey
from services.ingest.redact.tags import ERROR_HIT, ERROR_TAG
from services.ingest.redact.tree import JsonValue, TreeScanner
from services.ingest.redact.version import policy_version

DEADLINE_MS = 2000.0


@dataclass(frozen=True, slots=True)
class Redacted:
    """A document after redaction, and how often each rule hit."""

    document: JsonValue
    hits: Hits


class Redactor:
    """Compiled once from rules; immutable, may be shared by threads.

    `deadline_ms` is CPU time per begun MiB of one text; past it, the text is masked whole.
    Scanning its own output finds nothing and changes nothing, provided that the detectors answer
    the same text alike. Pseudonyms need a key, given once (`keyed`) or with each call; without
    one, the text that has something to get a pseudonym is masked whole.
    Raises InvalidInput naming the rule that cannot be used.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        detectors: Sequence[Detector] = (),
        *,
        deadline_ms: float = DEADLINE_MS,
    ) -> None:
        compiled = [compile_rule(rule) for rule in rules]
        enabled = [one for one, rule in zip(compiled, rules, strict=True) if rule.enabled]
        self._leaf = LeafScanner(enabled, detectors, deadline_ms=deadline_ms)
        self._tree = TreeScanner(self._leaf)
        # A detector may find something in any text.
        self._survey = None if detectors else Survey(enabled, deadline_ms=deadline_ms / 4).suspects
        self._key: bytes | None = None
        self.version = policy_version(rules, (detector.name for detector in detectors))

    def keyed(self, key: bytes) -> Self:
        """This redactor with a key for pseudonyms; nothing is compiled again."""
        other = copy(self)
        other._key = key
        return other

    def scan(self, document: JsonValue, key: bytes | None = None, *, above: str = "") -> Redacted:
        """The document with every hit masked; never raises, what cannot be judged is masked.

        The words of `above` count as near to the whole of a text, as those of object keys do.
        """
        scan = Scan(key or self._key, suspects=self._survey(document) if self._survey else None)
        return Redacted(self._tree.scan(document, scan, above), scan.hits)

    def field(self, text: str, hits: Hits) -> str:
        """One clear field such as a tag, JSON in it looked into; hits are added to those given."""
        return str(self._tree.scan(text, Scan(self._key, hits)))

    def text(
        self, text: str, hits: Hits | None = None, key: bytes | None = None
    ) -> tuple[str, Hits]:
        """A text as such, what `explain` explains; hits are added to those given."""
        scan = Scan(key or self._key, {} if hits is None else hits)
        return self._leaf.scan(text, "", scan), scan.hits

    def explain(self, text: str, key: bytes | None = None) -> list[Finding]:
        """What `text` masks: put into its places, the findings give the same."""
        try:
            return findings(text, self._leaf.looks(text, key or self._key))
        except Exception:  # noqa: BLE001 - `text` masks such a text whole, and this says so
            return [Finding(0, len(text), ERROR_HIT, ERROR_TAG)]
