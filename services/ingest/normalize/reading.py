"""Reading hostile JSON: each function takes any value and answers with the type asked for."""

import re

from sealbook.contract.documents import JsonValue

# Beyond 2**53 a number no longer survives JSON readers that use doubles, and is no token count.
MAX_COUNT = 2**53

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,63}")

Fields = dict[str, JsonValue]


def as_object(value: JsonValue) -> Fields:
    """The object itself, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: JsonValue) -> list[JsonValue]:
    """The list itself, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: JsonValue) -> str | None:
    """A string with something in it, else None."""
    return value if isinstance(value, str) and value else None


def as_count(value: JsonValue) -> int | None:
    """A believable token count, else None: `type()` and not isinstance, since True is an int.

    Clients that know only doubles write whole numbers as 12.0.
    """
    if type(value) is int and 0 <= value <= MAX_COUNT:
        return value
    if type(value) is float and 0 <= value <= MAX_COUNT and value.is_integer():
        return int(value)
    return None


def as_duration(value: JsonValue, *, unit_ms: float = 1.0) -> float | None:
    """A believable duration in milliseconds, from a number of units of `unit_ms`."""
    if type(value) is not int and type(value) is not float:
        return None
    # Compared first: an integer may be too large for a float, and NaN compares to nothing.
    return round(value * unit_ms, 6) if 0 <= value <= MAX_COUNT else None


def as_name(value: JsonValue) -> str | None:
    """A short identifier, else None: free text has no place outside the seal."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def first_count(fields: Fields, *names: str) -> int | None:
    """The first of these fields that holds a token count."""
    for name in names:
        count = as_count(fields.get(name))
        if count is not None:
            return count
    return None


def first_text(fields: Fields, *names: str) -> str | None:
    """The first of these fields that holds a text."""
    for name in names:
        text = as_text(fields.get(name))
        if text is not None:
            return text
    return None


def first_object(fields: Fields, *names: str) -> Fields:
    """The first of these fields that holds an object, else an empty one."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, dict):
            return value
    return {}


def head(value: JsonValue) -> Fields:
    """The first object of a list, else an empty one."""
    return as_object(value[0]) if isinstance(value, list) and value else {}
