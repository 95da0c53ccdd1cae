"""Phone numbers in three tiers: international, nationally separated, loose digits near a word.

The further a form is from `+1 650 253 0000`, the more has to speak for it, since any run of
digits is somebody's phone number somewhere.
"""

import re
from collections.abc import Callable

import phonenumbers

from services.ingest.redact.candidate import Candidate, Span

# Where a number written with its trunk prefix 0 may come from, the most populous first.
TRUNK_ZERO = (
    *("IN", "ID", "PK", "NG", "BD", "JP", "PH", "VN", "TR", "DE", "TH", "GB", "FR", "ZA", "IT"),
    *("KR", "UA", "AU", "NL", "BE", "SE", "AT", "CH", "IE", "FI", "NZ", "RO", "IL", "BR", "AR"),
)

_SHORTEST = 7
_SIGNED_DECIMAL = re.compile(r"\+\d+\.\d+")
_GROUP = re.compile(r"\d+")
_EXTENSION = re.compile(r"[ ,;]{0,2}(?:x|ext\.?|extension|#)\s?\d{1,6}$", re.IGNORECASE)
_NORTH_AMERICAN = re.compile(
    r"(?:1[ .\-]?)?(?:\([2-9]\d\d\)[ .\-]{0,2}|[2-9]\d\d[ .\-/])[2-9]\d\d[ .\-]\d{4}"
    r"(?!\d)(?:[ ,;]{0,2}(?:x|ext\.?|extension|#) ?\d{1,6}\b)?"
    r"|(?:\([2-9]\d\d\) ?|[2-9]\d\d-)[2-9]\d{6}\b",
    re.IGNORECASE,
)
_TRUNK = re.compile(
    r"\(?0[1-9]\d{0,3}\)?(?:[ \-/]\d{6,8}|(?P<sep>[ .\-])\d{2,4}(?:(?P=sep)\d{2,4}){1,4}"
    r"|[ \-/]\d{2,4}(?: \d{2,4}){1,3})"
)
_AREA_IN_BRACKETS = re.compile(r"\(\d{2,4}\) ?\d{3,4}[ \-]\d{3,4}(?:[ \-]\d{2,4})?")
_DATE = re.compile(
    r"(?:19|20)\d\d(?P<a>[.\-/ ])\d{1,2}(?P=a)\d{1,2}\b"
    r"|\d{1,2}(?P<b>[.\-/])\d{1,2}(?P=b)(?:19|20)?\d\d(?:$|[ T])"
    r"|(?:1[5-9]|20)\d\d ?[\-/] ?(?:1[5-9]|20)\d\d$"
    r"|(?:19|20)\d\d[01]\d[0-3]\d(?:$|[ T\-])"
)


def phone(candidate: Candidate) -> Span | None:
    """The first two tiers: forms that are phone numbers without a word to say so."""
    if _inside_something(candidate) or _SIGNED_DECIMAL.fullmatch(candidate.text):
        return None
    text = candidate.text
    if text.startswith(("+", "00")):
        if candidate.behind_digit(b":"):  # the seconds of a time
            return None
        return _longest(candidate, _international)
    # Only the most telling form may be cut out of a longer row of numbers.
    if telling := _NORTH_AMERICAN.match(text):
        return candidate.start, candidate.start + telling.end()
    in_a_row = candidate.behind_digit(b" .-/") or _in_a_row(candidate)
    if in_a_row or not _national(_EXTENSION.sub("", text)):
        return None
    return candidate.start, candidate.end


def phone_near_word(candidate: Candidate) -> Span | None:
    """The last tier, for rules gated by keywords: any 7 to 13 digits that are not a date."""
    if _inside_something(candidate) or _in_a_row(candidate):
        return None
    return _longest(candidate, _loose)


def _longest(candidate: Candidate, accept: Callable[[str], bool]) -> Span | None:
    """The longest part from the start, in whole groups of digits, that is accepted."""
    for end, text in candidate.prefixes():
        if len(text) < _SHORTEST:
            return None
        if accept(_EXTENSION.sub("", text)):
            return candidate.start, end
    return None


def _inside_something(candidate: Candidate) -> bool:
    """Cut out of a word, a fraction, a path, an escape or an amount of money."""
    front = candidate.before()
    if front.isalnum() or (front and front in b"_$%&/\\+@"):
        return True
    return candidate.behind_digit(b".") or (front == b"-" and candidate.before(2)[:1].isalnum())


def _in_a_row(candidate: Candidate) -> bool:
    """More digits follow, as in a table, a time or a longer number; or it is a share."""
    return candidate.runs_on(b".-/: ") or candidate.after() in (b"_", b"%")


def _international(text: str) -> bool:
    """A country code and as many digits as that country's numbers have (ITU-T E.164)."""
    plus = text[:1] == "+"
    number = text if plus else "+" + text[2:].lstrip(" -(.")
    try:
        parsed = phonenumbers.parse(number.replace("(0)", ""))
    except phonenumbers.NumberParseException:
        return False
    # 00 is also how padded counters and hex dumps begin: ask more of it than of a plus.
    check = phonenumbers.is_possible_number if plus else phonenumbers.is_valid_number
    return bool(check(parsed))


def _national(text: str) -> bool:
    if _DATE.match(text):
        return False
    digits = sum(char.isdigit() for char in text)
    if _TRUNK.fullmatch(text):
        return 9 <= digits <= 11 and any(_valid_in(region, text) for region in TRUNK_ZERO)
    return bool(_AREA_IN_BRACKETS.fullmatch(text)) and 9 <= digits <= 11


def _valid_in(region: str, text: str) -> bool:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number_for_region(number, region)


def _loose(text: str) -> bool:
    """7 to 13 digits grouped as people group them; not a date, a decimal or a list of counts."""
    groups = _GROUP.findall(text)
    if _DATE.match(text) or not 7 <= sum(map(len, groups)) <= 13:
        return False
    if len(groups) == 2 and "." in text:
        return False
    return len(groups) <= 6 and all(len(group) >= 2 for group in groups[1:])
