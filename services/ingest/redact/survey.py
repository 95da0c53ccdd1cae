"""One look at all texts of a document together: which of them need a closer one.

Asking the automaton once for a document is several times cheaper than once for each of its many
short texts. The look is at worst too suspicious: texts are joined by line ends, which are an edge
to every pattern as the edge of a text is, and RE2 has no look-around by which more context could
take a match away.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from time import perf_counter

import re2  # type: ignore[import-untyped]

from services.ingest.redact.compiled import CompiledRule
from services.ingest.redact.leaves import Leaves
from services.ingest.redact.prefilter import Exhausted, Prefilter

# The ends of the whole text are not those of a line; `(?-m)` would undo that we make them so.
_WHOLE_TEXT = re.compile(rb"\\[Az]|\(\?[a-zA-Z]*-")


@dataclass(frozen=True, slots=True)
class Suspects:
    """Texts that may hold a match, and the containers (by identity) that lead to them."""

    texts: frozenset[str] = frozenset()
    containers: frozenset[int] = frozenset()


NONE = Suspects()


class Survey:
    """All rules over all texts of a document."""

    def __init__(self, rules: Sequence[CompiledRule], *, deadline_ms: float) -> None:
        """Past `deadline_ms` each text is looked at alone, with a deadline of its own: a pattern
        may look from each of its matches to the end of all texts.

        Raises InvalidInput when the rules are too large together.
        """
        patterns = [b"(?m)" + rule.pattern for rule in rules]
        self._impossible = any(map(_WHOLE_TEXT.search, (rule.pattern for rule in rules)))
        self._prefilter = Prefilter(patterns)
        self._finders = [_finder(pattern) for pattern in patterns]
        self._deadline = deadline_ms / 1000

    def suspects(self, document: object) -> Suspects | None:
        """Where to look; None means everywhere."""
        if self._impossible or (leaves := Leaves.of(document)) is None:
            return None
        try:
            joined = "\n".join(leaves.texts)
            data = joined.encode()
        except (TypeError, UnicodeEncodeError):  # a key that is no text, or a lone surrogate
            return None
        found = self._prefilter.match(data)
        near = leaves.nested
        if found != self._prefilter.quiet:
            ascii_only = len(data) == len(joined)
            encoded = leaves.texts if ascii_only else map(str.encode, leaves.texts)
            ends = list(accumulate(len(text) + 1 for text in encoded))
            try:
                near = [*near, *self._matched(found, data, ends)]
            except (Exhausted, TimeoutError):
                return None
        if not near:
            return NONE
        return Suspects(frozenset(leaves.texts[i] for i in near), leaves.above(near))

    def _matched(self, found: list[int], data: bytes, ends: Sequence[int]) -> Iterator[int]:
        give_up = perf_counter() + self._deadline
        for rule in self._prefilter.matching(found):
            yield from _touched(self._finders[rule], data, ends, give_up)


def _touched(
    finder: "re2._Regexp", data: bytes, ends: Sequence[int], give_up: float
) -> Iterator[int]:
    """Texts in which a match begins, ends or lies: also those between two of its texts, since a
    match that runs over an end may hide one within. Raises TimeoutError."""
    position, size = 0, len(data)
    while position < size:
        start, end = finder.Match(re2._Anchor.UNANCHORED, data, position, size)[0]
        if start < 0:
            return
        if perf_counter() > give_up:
            raise TimeoutError
        first, last = bisect_right(ends, start), bisect_right(ends, max(start, end - 1))
        last = min(last, len(ends) - 1)
        yield from range(first, last + 1)
        position = ends[last]


def _finder(pattern: bytes) -> "re2._Regexp":
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    return re2.compile(pattern, options)._regexp
