"""One redaction rule: as users write it and as it is compiled. RE2 only, so linear."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import thread_time

import re2  # type: ignore[import-untyped]

from sealbook.errors import InvalidInput
from services.ingest.redact.candidate import Candidate, Span, any_in, plain
from services.ingest.redact.validators import VALIDATORS

MAX_PATTERN_BYTES = 1024
MAX_PROGRAM = 20_000  # RE2 instructions; counted repetition can turn 1 KiB into far more
MAX_MEMORY = 8 << 20
_REMEDY = "Correct the rule; the policy in force stays as it is."
_PROBES = (b"", b"a", b"a b", b"1", b"1-2", b" ", b"a@b.c\n")


@dataclass(frozen=True, slots=True)
class Rule:
    """What to look for and what to put in its place.

    `pattern` is RE2; when it has a group, the first group is what is masked. `validator` names a
    check of `validators.py`. With `keywords`, one of them has to stand near the match (or in
    the object keys above it); case and ASCII punctuation do not matter.
    """

    name: str
    pattern: str
    replacement: str
    validator: str | None = None
    keywords: tuple[str, ...] = ()
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule that passed every check; `pattern` and `replacement` are UTF-8."""

    name: str
    pattern: bytes
    replacement: bytes
    validator: str | None
    keywords: tuple[bytes, ...]
    regexp: object = field(repr=False)
    grouped: bool

    def spans(self, data: bytes, quiet: bytes, context: bytes, give_up: float) -> Iterator[Span]:
        """Where this rule masks `data`; `quiet` is `data` without earlier tags, for keywords.

        Raises TimeoutError once this thread's CPU time is past `give_up`.
        """
        if self.keywords and not any_in(self.keywords, context, quiet, padded=True):
            return
        check = VALIDATORS[self.validator] if self.validator else None
        position = 0
        while (found := self._match(data, position)) is not None:
            if thread_time() > give_up:
                raise TimeoutError
            start, end = found
            candidate = Candidate(data, start, end, quiet, context)
            span: Span | None = found
            if start == end or (self.keywords and not candidate.near(self.keywords)):
                span = None
            elif check is not None:
                span = check(candidate)
            if span is not None:
                yield span
            # A refused match may hide a good one that begins inside it.
            position = max(span[1], position + 1) if span else start + 1

    def _match(self, data: bytes, position: int) -> Span | None:
        if position > len(data):
            return None
        spans = self.regexp.Match(re2._Anchor.UNANCHORED, data, position, len(data))  # type: ignore[attr-defined]
        start, end = spans[0]
        if start < 0:
            return None
        if self.grouped and spans[1][0] >= position:
            return spans[1][0], spans[1][1]
        return start, end


def compile_rule(rule: Rule) -> CompiledRule:
    """The compiled rule; raises InvalidInput that names the rule and says what is wrong."""
    if not re.fullmatch("[a-z][a-z0-9_]{0,63}", rule.name) or rule.name == "redaction_error":
        raise _invalid(rule, "the name must be 1 to 64 of a-z, 0-9 and _ and not `redaction_error`")
    if not 1 <= len(rule.replacement) <= 64 or not rule.replacement.isprintable():
        raise _invalid(rule, "the replacement must be 1 to 64 printable characters")
    if rule.validator is not None and rule.validator not in VALIDATORS:
        raise _invalid(rule, f"there is no validator {rule.validator[:64]!r}")
    try:
        pattern = rule.pattern.encode()
    except UnicodeEncodeError as error:
        raise _invalid(rule, "the pattern is not valid Unicode") from error
    if not 1 <= len(pattern) <= MAX_PATTERN_BYTES:
        raise _invalid(rule, f"the pattern must have 1 to {MAX_PATTERN_BYTES} bytes")
    regexp = _compile(rule, pattern)
    keywords = tuple(plain(word.encode(errors="replace")) for word in rule.keywords if word)
    return CompiledRule(
        name=rule.name,
        pattern=pattern,
        replacement=rule.replacement.encode(),
        validator=rule.validator,
        keywords=keywords,
        regexp=regexp._regexp,
        grouped=regexp.groups > 0,
    )


def _compile(rule: Rule, pattern: bytes) -> "re2._Regexp":
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    try:
        regexp = re2.compile(pattern, options)
    except re2.error as error:
        raise _invalid(rule, f"RE2 does not accept the pattern ({error})") from error
    if regexp.programsize > MAX_PROGRAM:
        raise _invalid(rule, "the pattern is too large once its repetitions are counted out")
    if any(m.start() == m.end() for probe in _PROBES for m in regexp.finditer(probe)):
        raise _invalid(rule, "the pattern matches empty text")
    return regexp


def _invalid(rule: Rule, problem: str) -> InvalidInput:
    return InvalidInput(f"Redaction rule {rule.name[:64]!r}: {problem}.", remedy=_REMEDY)
