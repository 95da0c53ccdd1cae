"""A match that has not been believed yet, and what stands around it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import re2  # type: ignore[import-untyped]

Span = tuple[int, int]

BEFORE = 48  # bytes in which a keyword counts as near
AFTER = 16
TAG = b"\xff"  # stands for each byte of a tag in `quiet`; no UTF-8 text has it

_PLAIN = bytes(
    byte if 0x80 <= byte < 0xFF or chr(byte).isalnum() else 0x20
    for byte in bytes(range(256)).lower()
)
_DIGITS = frozenset(b"0123456789")


def plain(data: bytes) -> bytes:
    """Lower case, with every ASCII character that is no letter or digit turned into a space."""
    return data.translate(_PLAIN)


class Keywords:
    """Words (plain) of which one has to stand near a match; one automaton for all of them."""

    def __init__(self, words: Sequence[bytes]) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1  # bytes are bytes, TAG among them
        options.never_capture = True
        self._regexp = re2.compile(b"|".join(map(re2.escape, words)), options)._regexp

    def any_in(self, context: bytes, text: bytes, *, padded: bool) -> bool:
        """Whether one stands in the text or in the object keys above it."""
        around = b" %b %b%b " % (plain(context), b" " if padded else b"|", plain(text))
        spans = self._regexp.Match(re2._Anchor.UNANCHORED, around, 0, len(around))
        return bool(spans[0][0] >= 0)


class Candidate(NamedTuple):
    """Bytes `start` to `end` of a leaf; `quiet` is it with tags blanked, `context` its keys."""

    data: bytes
    start: int
    end: int
    quiet: bytes
    context: bytes

    @property
    def text(self) -> str:
        """The matched text."""
        return self.data[self.start : self.end].decode()

    def near(self, keywords: Keywords) -> bool:
        """Whether one of the keywords stands near the match or in the keys above it.

        A tag between the two ends the nearness: the word spoke for what was there.
        """
        low, high = max(0, self.start - BEFORE), self.end + AFTER
        low = max(low, self.quiet.rfind(TAG, low, self.start))
        if (tag := self.quiet.find(TAG, self.end, high)) >= 0:
            high = tag + 1
        return keywords.any_in(self.context, self.quiet[low:high], padded=low == 0)

    def before(self, length: int = 1) -> bytes:
        """Up to `length` bytes in front of the match."""
        return self.data[max(0, self.start - length) : self.start]

    def after(self, length: int = 1) -> bytes:
        """Up to `length` bytes behind the match."""
        return self.data[self.end : self.end + length]

    def behind_digit(self, marks: bytes) -> bool:
        """A digit and then one of `marks` stand in front: `0.|4111…`, `12-|345`."""
        front = self.before(2)
        return len(front) == 2 and front[0] in _DIGITS and front[1] in marks

    def runs_on(self, marks: bytes) -> bool:
        """One of `marks` and then a digit stand behind: `…6789|-12`."""
        back = self.after(2)
        return len(back) == 2 and back[0] in marks and back[1] in _DIGITS

    def prefixes(self) -> Iterator[tuple[int, str]]:
        """Ends and texts of the match, then of ever shorter parts that end with a whole group.

        A group is of letters and digits.
        """
        end = self.end
        while end > self.start:
            yield end, self.data[self.start : end].decode()
            end = _previous_group(self.data, self.start, end)


def _previous_group(data: bytes, start: int, end: int) -> int:
    while end > start and data[end - 1 : end].isalnum():
        end -= 1
    while end > start and not data[end - 1 : end].isalnum():
        end -= 1
    return end
