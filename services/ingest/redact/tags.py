"""Tags: what stands in the place of what was masked, and how ours are told from other text.

[EMAIL]                 mode "tag"
[EMAIL:7f3a91c2]        mode "pseudonym": the same for the same value under the same key
[CREDIT_CARD:*1111]     mode "partial": the last four letters or digits
"""

import hashlib
import hmac
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import re2  # type: ignore[import-untyped]

from services.ingest.redact.candidate import TAG, Span

Mode = Literal["tag", "pseudonym", "partial"]

ERROR_TAG = "[REDACTION_ERROR]"
ERROR_HIT = "redaction_error"

NAMED = re.compile(r"\[[A-Z][A-Z0-9_]*\]")  # what a replacement must be to take a suffix

# 16 bits would take two of a thousand addresses of a project for one; 32 hardly ever do.
_HEX = 8
# At least one letter, so that no number of eight digits passes for a pseudonym.
_PSEUDONYM = "|".join(f"[0-9]{{{at}}}[a-f][0-9a-f]{{{_HEX - 1 - at}}}" for at in range(_HEX))
_SHOWN = 4
_ENOUGH_TO_SHOW = 8  # four of seven would tell too much
_PARTIAL = rf"\*[0-9A-Za-z]{{{_SHOWN}}}"
_SUFFIX = {"pseudonym": _PSEUDONYM.encode(), "partial": _PARTIAL.encode()}
_NUMBER = rb"(?:#[1-9][0-9]{0,5}\b)?"  # what a colliding object key gets
_MAX_MEMORY = 64 << 20  # for a thousand rules
_BEYOND = 1 << 62
_BRACKET = ord("[")


@dataclass(frozen=True, slots=True)
class Mark:
    """Under which name a hit counts and what replaces it (UTF-8)."""

    name: str
    replacement: bytes
    mode: Mode = "tag"

    def render(self, value: bytes, key: bytes | None) -> bytes:
        """The tag for what is masked. Raises ValueError for a pseudonym without a key."""
        if self.mode == "pseudonym":
            return self._with(_pseudonym(self.replacement, value.decode(), key))
        if self.mode == "partial":
            kept = bytes(byte for byte in value if chr(byte).isalnum() and byte < 0x80)
            if len(kept) >= _ENOUGH_TO_SHOW:
                return self._with(b"*" + kept[-_SHOWN:])
        return self.replacement

    def _with(self, suffix: bytes) -> bytes:
        return b"%b:%b]" % (self.replacement[:-1], suffix)


def _pseudonym(replacement: bytes, value: str, key: bytes | None) -> bytes:
    """By the tag, not the rule: two rules for phone numbers give one number one pseudonym."""
    if not key:
        raise ValueError("a pseudonym needs a key")
    digest = hmac.digest(key, replacement + b"\0" + _normalized(value).encode(), hashlib.sha256)
    places = digest.hex()
    first = next(at for at in range(len(places) - _HEX + 1) if not places[at : at + _HEX].isdigit())
    return places[first : first + _HEX].encode()


def _normalized(value: str) -> str:
    """Spellings of one value become one: case and white space; for numbers, all but the digits."""
    text = "".join(value.casefold().split())
    if any(char.isalpha() for char in text):
        return text
    return "".join(char for char in text if char.isdigit()) or text


class Tags:
    """Finds our own tags in a text, as strictly as their modes allow: what is a tag stays."""

    def __init__(self, marks: Iterable[Mark]) -> None:
        known: dict[Mode, set[bytes]] = {"tag": {ERROR_TAG.encode()}}
        for mark in marks:
            known.setdefault(mark.mode, set()).add(mark.replacement)
        tags = b"|".join(_pattern(mode, replacements) for mode, replacements in known.items())
        self._bracketed = all(one[:1] == b"[" for some in known.values() for one in some)
        options = re2.Options()
        options.max_mem = _MAX_MEMORY
        options.log_errors = False
        self._regexp = re2.compile(b"(?:%b)%b" % (tags, _NUMBER), options)

    def spans(self, data: bytes) -> list[Span]:
        """Where the tags stand, in order."""
        if self._bracketed and b"[" not in data:
            return []
        return [match.span() for match in self._regexp.finditer(data)]


def _pattern(mode: Mode, replacements: set[bytes]) -> bytes:
    longest_first = sorted(replacements, key=lambda one: (-len(one), one))
    if mode == "tag":
        return b"|".join(map(re2.escape, longest_first))
    names = b"|".join(re2.escape(one[1:-1]) for one in longest_first)
    return rb"\[(?:%b)(?::(?:%b))?\]" % (names, _SUFFIX[mode])


def within(start: int, end: int, tags: list[Span]) -> bool:
    """Whether one of the tags holds all of it."""
    nearest = bisect_right(tags, (start, _BEYOND)) - 1
    return nearest >= 0 and end <= tags[nearest][1]


def blanked(data: bytes, tags: list[Span]) -> bytes:
    """The text with its tags made unreadable, for the search of keywords.

    Only those in brackets: a rule may replace by `*`, and `**Phone:**` is to stay a keyword.
    """
    if not tags:
        return data
    blank = bytearray(data)
    for start, end in tags:
        if data[start] == _BRACKET:
            blank[start:end] = TAG * (end - start)
    return bytes(blank)
