"""One redaction rule as users write it, and whether it may be used. RE2 only, so linear."""

import re
from dataclasses import dataclass
from typing import get_args
from unicodedata import normalize

import re2  # type: ignore[import-untyped]

from sealbook.errors import InvalidInput
from services.ingest.redact.candidate import Keywords, plain
from services.ingest.redact.compiled import CompiledRule
from services.ingest.redact.tags import ERROR_HIT, NAMED, Mark, Mode
from services.ingest.redact.validators import VALIDATORS

MAX_PATTERN_BYTES = 1024
MAX_PROGRAM = 20_000  # RE2 instructions; counted repetition can turn 1 KiB into far more
MAX_MEMORY = 8 << 20
MAX_KEYWORDS = 100
_REMEDY = "Correct the rule; the policy in force stays as it is."
_PROBES = (b"", b"a", b"a b", b"1", b"1-2", b" ", b"a@b.c\n")


@dataclass(frozen=True, slots=True)
class Rule:
    """What to look for and what to put in its place.

    `pattern` is RE2; `group` says which of its groups is masked, 0 being the whole match. Without
    it, that is the first group that matched anything, or the whole match of a pattern without
    groups. `validator` names a check of `validators.py`. With `keywords`, one of them has to stand
    near the match (or in the object keys above it); case and ASCII punctuation do not matter.
    `min_entropy` in Shannon bits per character: what is masked has to have more. `mode` other
    than "tag" needs a replacement such as `[NAME]`, see `tags.py`.
    """

    name: str
    pattern: str
    replacement: str
    validator: str | None = None
    keywords: tuple[str, ...] = ()
    enabled: bool = True
    mode: Mode = "tag"
    min_entropy: float | None = None
    group: int | None = None


def compile_rule(rule: Rule) -> CompiledRule:
    """The compiled rule; raises InvalidInput that names the rule and says what is wrong."""
    if not re.fullmatch("[a-z][a-z0-9_]{0,63}", rule.name) or rule.name == ERROR_HIT:
        raise _invalid(rule, f"its name must be 1 to 64 of a-z, 0-9 and _ and not `{ERROR_HIT}`")
    _check_replacement(rule)
    if rule.validator is not None and rule.validator not in VALIDATORS:
        known = ", ".join(sorted(VALIDATORS))
        raise _invalid(rule, f"there is no validator {rule.validator[:64]!r}, only {known}")
    if rule.min_entropy is not None and not 0 <= rule.min_entropy <= 8:
        raise _invalid(rule, "its min_entropy must be 0 to 8 bits per character")
    regexp = _compile(rule)
    if rule.group is not None and not 0 <= rule.group <= regexp.groups:
        raise _invalid(rule, f"its group must be 0 to {regexp.groups}, the groups of its pattern")
    groups = range(1, regexp.groups + 1) if rule.group is None else (rule.group,)
    return CompiledRule(
        mark=Mark(rule.name, rule.replacement.encode(), rule.mode),
        pattern=regexp.pattern,
        validator=rule.validator,
        keywords=_keywords(rule),
        min_entropy=rule.min_entropy or 0.0,
        groups=tuple(groups),
        regexp=regexp._regexp,
    )


def _check_replacement(rule: Rule) -> None:
    text = rule.replacement
    if not 1 <= len(text) <= 64 or not text.isprintable():
        raise _invalid(rule, "its replacement must be 1 to 64 printable characters")
    if rule.mode not in get_args(Mode):
        raise _invalid(rule, f"its mode must be one of {', '.join(get_args(Mode))}")
    if rule.mode != "tag" and not NAMED.fullmatch(text):
        raise _invalid(rule, f"with mode `{rule.mode}` its replacement must look like `[NAME]`")


def _keywords(rule: Rule) -> Keywords | None:
    keywords = [plain(word.encode(errors="replace")) for word in rule.keywords]
    if len(keywords) > MAX_KEYWORDS or any(len(word) > 100 for word in keywords):
        raise _invalid(rule, f"its keywords must be at most {MAX_KEYWORDS} of at most 100 bytes")
    if not all(word.strip() for word in keywords):
        raise _invalid(rule, "each of its keywords must have a letter or a digit")
    others = {
        plain(other.encode(errors="replace"))
        for word in rule.keywords
        if not word.isascii()
        for other in (word.upper(), word.title(), normalize("NFD", word))
    }
    return Keywords([*keywords, *sorted(others)]) if keywords else None


def _compile(rule: Rule) -> "re2._Regexp":
    try:
        pattern = rule.pattern.encode()
    except UnicodeEncodeError as error:
        raise _invalid(rule, "its pattern is not valid Unicode") from error
    if not 1 <= len(pattern) <= MAX_PATTERN_BYTES:
        raise _invalid(rule, f"its pattern must have 1 to {MAX_PATTERN_BYTES} bytes")
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    try:
        regexp = re2.compile(pattern, options)
    except re2.error as error:
        raise _invalid(rule, f"RE2 does not accept its pattern ({_said(error)})") from error
    if regexp.programsize > MAX_PROGRAM:
        raise _invalid(rule, "its pattern is too large once its repetitions are counted out")
    if any(m.start() == m.end() for probe in _PROBES for m in regexp.finditer(probe)):
        raise _invalid(rule, "its pattern matches empty text")
    return regexp


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def _invalid(rule: Rule, problem: str) -> InvalidInput:
    return InvalidInput(f"Redaction rule {rule.name[:64]!r}: {problem}.", remedy=_REMEDY)
