"""A rule at work: its matches in a text, as far as keywords, validator and entropy believe them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log2
from time import thread_time

import re2  # type: ignore[import-untyped]

from services.ingest.redact.candidate import Candidate, Keywords, Span
from services.ingest.redact.tags import Mark
from services.ingest.redact.validators import VALIDATORS


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule that passed every check; `pattern` is UTF-8, `groups` those that may be masked."""

    mark: Mark
    pattern: bytes
    validator: str | None
    keywords: Keywords | None
    min_entropy: float
    groups: tuple[int, ...]
    regexp: object = field(repr=False)

    def spans(self, data: bytes, quiet: bytes, context: bytes, give_up: float) -> Iterator[Span]:
        """Where this rule masks `data`; `quiet` is `data` without earlier tags, for keywords.

        Raises TimeoutError once this thread's CPU time is past `give_up`.
        """
        if self.keywords and not self.keywords.any_in(context, quiet, padded=True):
            return
        match, size, position = self.regexp.Match, len(data), 0  # type: ignore[attr-defined]
        while position <= size:
            groups: list[Span] = match(re2._Anchor.UNANCHORED, data, position, size)
            if groups[0][0] < 0:
                return
            if thread_time() > give_up:
                raise TimeoutError
            start, end = self._masked(groups)
            candidate = Candidate(data, start, end, quiet, context)
            span = self._believed(candidate, groups[0]) if start < end else None
            if span is None:
                # A refused match may hide a good one that begins inside it, before its group too.
                position = groups[0][0] + 1
                continue
            if span[0] < span[1]:
                yield span
            position = max(span[1], position + 1)

    def _masked(self, groups: list[Span]) -> Span:
        for group in self.groups:
            if groups[group][0] < groups[group][1]:
                return groups[group]
        return groups[0]

    def _believed(self, candidate: Candidate, match: Span) -> Span | None:
        if self.keywords:
            whole = candidate._replace(start=match[0], end=match[1])
            if not whole.near(self.keywords):
                return None
        if self.validator:
            span = VALIDATORS[self.validator](candidate)
        else:
            span = candidate.start, candidate.end
        if span and self.min_entropy and entropy(candidate.data[slice(*span)]) <= self.min_entropy:
            return None
        return span


def entropy(value: bytes) -> float:
    """Shannon bits per byte."""
    size = len(value)
    return -sum(count / size * log2(count / size) for count in Counter(value).values())
