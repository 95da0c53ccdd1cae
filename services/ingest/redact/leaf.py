"""Redaction of one piece of text: prefilter, matches, overlaps, splice, until nothing is left."""

from collections.abc import Sequence
from time import thread_time

from services.ingest.redact.claims import Claim, Edit, applied, edits
from services.ingest.redact.compiled import CompiledRule
from services.ingest.redact.detection import Detector
from services.ingest.redact.detectors import detected
from services.ingest.redact.prefilter import Prefilter
from services.ingest.redact.scan import Scan
from services.ingest.redact.tags import Tags, blanked, within

_LOOKS = 8
_SHORT = 128  # with the keys above
_REMEMBERED = 4096
_MIB = 1 << 20


class LeafScanner:
    """All rules and detectors over one text. Threads may share it: all that changes is a memory of
    short texts that looked like something and were nothing (`gpt-4.1-2025-04-14`)."""

    def __init__(
        self,
        rules: Sequence[CompiledRule],
        detectors: Sequence[Detector] = (),
        *,
        deadline_ms: float,
    ) -> None:
        self._rules = tuple(rules)
        self._marks = [rule.mark for rule in rules]
        self._detectors = tuple(detectors)
        self._deadline = deadline_ms / 1000
        self._tags = Tags(self._marks)
        self._prefilter = Prefilter([rule.pattern for rule in rules])
        self._clean: set[tuple[str, str]] = set()
        self._match, self._quiet = self._prefilter.match, self._prefilter.quiet

    def scan(self, text: str, context: str, scan: Scan) -> str:
        """`text` masked, the same object when nothing hit. Never raises."""
        try:
            data = text.encode()
        except UnicodeEncodeError:  # a lone surrogate: nothing can be said about such text
            return scan.failed()
        found = self._match(data)
        if found == self._quiet and not self._detectors:
            return text
        judged = (text, context)
        if judged in self._clean:
            return text
        try:
            data, looks = self._until_quiet(data, found, self._without_tags(context), scan.key)
            masked = data.decode() if looks else text
        except Exception:  # noqa: BLE001 - whatever failed, this text must not get through
            return scan.failed()
        for changes in looks:
            scan.count(change.name for change in changes)
        if not looks and len(text) + len(context) <= _SHORT and not self._detectors:
            if len(self._clean) >= _REMEMBERED:
                self._clean.clear()
            self._clean.add(judged)
        return masked

    def looks(self, text: str, key: bytes | None) -> list[list[Edit]]:
        """What each look at the text changes; the text of the next look is what came of it.

        Raises where `scan` would mask the whole text.
        """
        data = text.encode()
        return self._until_quiet(data, self._match(data), b"", key)[1]

    def _until_quiet(
        self, data: bytes, found: list[int], context: bytes, key: bytes | None
    ) -> tuple[bytes, list[list[Edit]]]:
        """Masking moves text together, so that a keyword may come near: look again until quiet."""
        give_up = thread_time() + self._deadline * (1 + len(data) // _MIB)
        looks: list[list[Edit]] = []
        while len(looks) < _LOOKS:
            changes = self._look(data, found, context, key, give_up)
            if not changes:
                return data, looks
            looks.append(changes)
            data = applied(data, changes)
            found = self._match(data)
            if found == self._quiet and not self._detectors:
                return data, looks
        raise TimeoutError

    def _look(
        self, data: bytes, found: list[int], context: bytes, key: bytes | None, give_up: float
    ) -> list[Edit]:
        tags = self._tags.spans(data)
        claims = self._claims(data, found, blanked(data, tags), context, give_up)
        claims = [claim for claim in claims if not within(claim[0], claim[1], tags)]
        marks = self._marks
        if self._detectors:
            more = detected(self._detectors, data, tags)
            if thread_time() > give_up:
                raise TimeoutError
            claims += [(one[0], one[1], len(marks) + index) for index, one in enumerate(more)]
            marks = [*marks, *(mark for _, _, mark in more)]
        claims += [(start, end, -1) for start, end in tags]
        return edits(data, claims, marks, key)

    def _claims(
        self, data: bytes, found: list[int], quiet: bytes, context: bytes, give_up: float
    ) -> list[Claim]:
        return [
            (start, end, index)
            for index in self._prefilter.matching(found)
            for start, end in self._rules[index].spans(data, quiet, context, give_up)
        ]

    def _without_tags(self, context: str) -> bytes:
        data = context.encode(errors="replace")
        return blanked(data, self._tags.spans(data))
