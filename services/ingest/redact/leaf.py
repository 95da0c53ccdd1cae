"""Redaction of one piece of text: prefilter, matches, overlaps, splice, until nothing is left."""

from bisect import bisect_right
from collections.abc import Sequence
from time import thread_time

import re2  # type: ignore[import-untyped]

from sealbook.errors import InvalidInput
from services.ingest.redact.candidate import TAG, Span
from services.ingest.redact.rule import CompiledRule

ERROR_TAG = "[REDACTION_ERROR]"
ERROR_HIT = "redaction_error"

_SET_MEMORY = 64 << 20  # an exhausted automaton would report no match
_ROUNDS = 8
_MIB = 1 << 20
_BEYOND = 1 << 62

Hits = dict[str, int]
Claim = tuple[int, int, int]  # start, end, index of the rule; index -1 is a tag already there


class LeafScanner:
    """All rules over one text. Immutable after construction, so threads may share it."""

    def __init__(self, rules: Sequence[CompiledRule], *, deadline_ms: float) -> None:
        self._rules = tuple(rules)
        self._deadline = deadline_ms / 1000
        self._tags = _tags([rule.replacement for rule in rules])
        # The last pattern matches everything: its absence tells a failed automaton from no match.
        self._sentinel = [len(self._rules)]
        self._prefilter = _prefilter([rule.pattern for rule in rules])

    def scan(self, text: str, context: str, hits: Hits) -> str:
        """`text` masked, the same object when nothing hit; `hits` grows. Never raises."""
        try:
            data = text.encode()
        except UnicodeEncodeError:  # a lone surrogate: nothing can be said about such text
            return failed(hits)
        found = self._prefilter(data)
        if found == self._sentinel:
            return text
        return self._masked(text, data, found, context, hits)

    def spans(self, data: bytes) -> list[Claim]:
        """What the first look would mask: byte offsets and the rule's index; for measuring."""
        claims = self._claims(data, self._prefilter(data), [], b"", thread_time() + self._deadline)
        return merged(claims)

    def _masked(self, text: str, data: bytes, found: list[int], context: str, hits: Hits) -> str:
        own: Hits = {}
        try:
            masked = self._until_stable(data, found, self._without_tags(context), own)
        except Exception:  # noqa: BLE001 - whatever failed, this text must not get through
            return failed(hits)
        for name, count in own.items():
            hits[name] = hits.get(name, 0) + count
        return masked.decode() if own else text

    def _until_stable(self, data: bytes, found: list[int], context: bytes, own: Hits) -> bytes:
        """Masking moves text together, so that a keyword may come near: look again until quiet."""
        give_up = thread_time() + self._deadline * (1 + len(data) // _MIB)
        for _ in range(_ROUNDS):
            tags = self._tag_spans(data)
            claims = self._claims(data, found, tags, context, give_up)
            if not claims:
                return data
            data = self._splice(data, claims + [(start, end, -1) for start, end in tags], own)
            found = self._prefilter(data)
            if found == self._sentinel:
                return data
        raise TimeoutError

    def _claims(
        self, data: bytes, found: list[int], tags: list[Span], context: bytes, give_up: float
    ) -> list[Claim]:
        if self._sentinel[0] not in found:
            raise MemoryError("the automaton ran out of memory and saw nothing")
        quiet = _blanked(data, tags)
        return [
            (start, end, index)
            for index in sorted(found)[:-1]
            for start, end in self._rules[index].spans(data, quiet, context, give_up)
            if not _within(start, end, tags)
        ]

    def _splice(self, data: bytes, claims: list[Claim], own: Hits) -> bytes:
        pieces, position = [], 0
        for start, end, index in merged(claims):
            pieces.append(data[position:start])
            position = end
            if index < 0:
                pieces.append(data[start:end])
                continue
            rule = self._rules[index]
            pieces.append(rule.replacement)
            own[rule.name] = own.get(rule.name, 0) + 1
        pieces.append(data[position:])
        return b"".join(pieces)

    def _without_tags(self, context: str) -> bytes:
        data = context.encode(errors="replace")
        return _blanked(data, self._tag_spans(data))

    def _tag_spans(self, data: bytes) -> list[Span]:
        return [match.span() for match in self._tags.finditer(data)]


def merged(claims: list[Claim]) -> list[Claim]:
    """Overlapping claims become one over all their text, under the name of the longest of them.

    Cutting the shorter claim away instead would leave the rest of it readable.
    """
    result: list[Claim] = []
    longest = 0
    for start, end, index in sorted(claims, key=lambda claim: (claim[0], -claim[1])):
        weight = end - start if index >= 0 else 0
        if result and start < result[-1][1]:
            first, last, name = result[-1]
            better = weight > longest or (weight == longest and 0 <= index < name)
            result[-1] = (first, max(last, end), index if better else name)
            longest = max(longest, weight)
        else:
            result.append((start, end, index))
            longest = weight
    return result


def failed(hits: Hits) -> str:
    """The fail-closed answer, counted."""
    hits[ERROR_HIT] = hits.get(ERROR_HIT, 0) + 1
    return ERROR_TAG


def _within(start: int, end: int, tags: list[Span]) -> bool:
    nearest = bisect_right(tags, (start, _BEYOND)) - 1
    return nearest >= 0 and end <= tags[nearest][1]


def _blanked(data: bytes, spans: list[Span]) -> bytes:
    if not spans:
        return data
    blank = bytearray(data)
    for start, end in spans:
        blank[start:end] = TAG * (end - start)
    return bytes(blank)


def _tags(replacements: list[bytes]) -> "re2._Regexp":
    """Our own marks in a text, with the number a colliding object key gets."""
    known = sorted({*replacements, ERROR_TAG.encode()}, key=len, reverse=True)
    return re2.compile(b"(?:%b)(?:#[0-9]{1,9})?" % b"|".join(map(re2.escape, known)))


def _prefilter(patterns: list[bytes]) -> "re2._re2.Set":
    options = re2.Options()
    options.max_mem = _SET_MEMORY
    options.log_errors = False
    every = re2._re2.Set(re2._Anchor.UNANCHORED, options)
    added = [every.Add(pattern) for pattern in [*patterns, b""]]
    # A set that did not compile crashes the process when it is asked.
    if -1 in added or not every.Compile():
        raise InvalidInput(
            f"The {len(patterns)} redaction rules are too large together.",
            remedy="Use fewer rules or fewer counted repetitions.",
        )
    return every.Match
