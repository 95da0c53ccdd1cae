"""Checks a match has to pass, by the name rules use.

Each returns the span to mask, or None; an empty span says that nothing begins before it.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from ipaddress import IPv6Address

from stdnum import iban, luhn, numdb

from services.ingest.redact.candidate import Candidate, Span
from services.ingest.redact.cards import is_card_number, may_start_card
from services.ingest.redact.phone import phone, phone_near_word

Validator = Callable[[Candidate], Span | None]

_NOT_DIGITS = bytes(byte for byte in range(256) if byte not in b"0123456789")
_MACHINE_MADE = re.compile(r"[0-9]|[a-z][A-Z]")
_SCHEMES = ("basic ", "bearer ", "digest ", "negotiate ", "apikey ", "token ", "aws4-hmac")
_SHORTEST_VALUE = 6
_FILE_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".ico", ".avif")


def card(candidate: Candidate) -> Span | None:
    """A number of a known scheme and length with a good Luhn digit (ISO/IEC 7812-1)."""
    if not may_start_card(_digits(candidate.text)):
        return None
    return _checked_number(candidate, is_card_number)


def luhn_number(candidate: Candidate) -> Span | None:
    """Any number with a good Luhn digit; for rules whose keywords say that it is a card."""
    return _checked_number(candidate, lambda digits: len(set(digits)) > 1)


def _checked_number(candidate: Candidate, accept: Callable[[str], bool]) -> Span | None:
    if candidate.behind_digit(b"."):  # the digits of a fraction; commas separate columns
        return None
    for end, text in candidate.prefixes():
        digits = _digits(text)
        if len(digits) < 12:
            return None
        if accept(digits) and luhn.is_valid(digits):
            return candidate.start, end
    return None


def ssn(candidate: Candidate) -> Span | None:
    """A US social security number by the areas, groups and serials that are ever issued (SSA)."""
    digits = _digits(candidate.text)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    issued = area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"
    if not issued or candidate.behind_digit(b".-") or candidate.runs_on(b"-"):
        return None
    return candidate.start, candidate.end


def iban_number(candidate: Candidate) -> Span | None:
    """An IBAN whose country, length and check digits (mod 97, ISO 13616) agree."""
    length = _iban_length(candidate.text[:2].upper())
    end = _after(candidate, length)
    if not length or candidate.data[end : end + 1].isalnum():
        return None
    number = candidate.data[candidate.start : end].decode()
    return (candidate.start, end) if iban.is_valid(number, check_country=False) else None


def _after(candidate: Candidate, length: int) -> int:
    """Where so many letters and digits of the candidate end, or the candidate does."""
    at = candidate.start
    while length and at < candidate.end:
        length -= candidate.data[at : at + 1].isalnum()
        at += 1
    return at


@cache
def _iban_length(country: str) -> int:
    """As the registry has it (ISO 13616); 0 for countries without IBANs."""
    [(_, info), *_] = numdb.get("iban").info(country)
    parts: list[str] = re.findall("([0-9]+)!", info.get("bban", ""))
    return 4 + sum(map(int, parts)) if parts else 0


def email(candidate: Candidate) -> Span | None:
    """An address; names of image variants such as `icon@2x.png` are none."""
    if candidate.text.lower().endswith(_FILE_ENDINGS):
        # Not one character further each time: the name may be long.
        domain = candidate.data.rfind(b"@", candidate.start, candidate.end) + 1
        return domain, domain
    return candidate.start, candidate.end


def token(candidate: Candidate) -> Span | None:
    """Made by a machine, not a word: digits, or capitals behind small letters."""
    return (candidate.start, candidate.end) if _MACHINE_MADE.search(candidate.text) else None


def authorization(candidate: Candidate) -> Span | None:
    """A header's value: a scheme of RFC 9110 and anything, else only what looks like a token."""
    if candidate.text.lower().startswith(_SCHEMES):
        return candidate.start, candidate.end
    return token(candidate) if candidate.end - candidate.start >= _SHORTEST_VALUE else None


def ipv4(candidate: Candidate) -> Span | None:
    """Four numbers up to 255, not a part of a longer dotted number such as a version or an OID."""
    if (
        candidate.behind_digit(b".")
        or candidate.runs_on(b".")
        or any(int(part) > 255 for part in candidate.text.split("."))
    ):
        return None
    return candidate.start, candidate.end


def ipv6(candidate: Candidate) -> Span | None:
    """An address (RFC 4291) with two groups at least, so that `std::` and `a::b` are none."""
    if candidate.before().isalnum() or candidate.after().isalnum() or candidate.after() == b":":
        return None
    digits = sum(char.isdigit() for char in candidate.text)
    if digits < 2 or not _is_ipv6(candidate.text):
        return None
    return candidate.start, candidate.end


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


VALIDATORS: Mapping[str, Validator] = {
    "authorization": authorization,
    "card": card,
    "email": email,
    "iban": iban_number,
    "ipv6": ipv6,
    "luhn": luhn_number,
    "ipv4": ipv4,
    "phone": phone,
    "phone_near_word": phone_near_word,
    "ssn": ssn,
    "token": token,
}


def _digits(text: str) -> str:
    return text.encode().translate(None, _NOT_DIGITS).decode()
