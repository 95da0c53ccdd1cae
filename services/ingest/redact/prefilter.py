"""Which rules may match a text at all: all their patterns as one automaton."""

from collections.abc import Callable, Sequence

import re2  # type: ignore[import-untyped]

from sealbook.errors import InvalidInput

MAX_MEMORY = 64 << 20


class Exhausted(Exception):
    """The automaton ran out of memory and saw nothing."""


class Prefilter:
    """`match` gives the indices of patterns that match, in any order, and `quiet` when none do.

    The last pattern matches everything: its absence tells a failed automaton from no match.
    """

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self.quiet = [len(patterns)]
        self.match: Callable[[bytes], list[int]] = _compiled([*patterns, b""])

    def matching(self, found: list[int]) -> list[int]:
        """The patterns among what `match` gave, in order. Raises Exhausted."""
        in_order = sorted(found)
        if in_order[-1:] != self.quiet:
            raise Exhausted
        return in_order[:-1]


def _compiled(patterns: Sequence[bytes]) -> Callable[[bytes], list[int]]:
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    every = re2._re2.Set(re2._Anchor.UNANCHORED, options)
    added = [every.Add(pattern) for pattern in patterns]
    # A set that did not compile crashes the process when it is asked.
    if -1 in added or not every.Compile():
        raise InvalidInput(
            f"The {len(patterns) - 1} redaction rules are too large together.",
            remedy="Use fewer rules or fewer counted repetitions.",
        )
    match: Callable[[bytes], list[int]] = every.Match
    return match
