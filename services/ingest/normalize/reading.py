"""Reading hostile JSON: each function takes any value and answers with the type asked for."""

from sealbook.contract.documents import JsonValue

# Beyond 2**53 a number no longer survives JSON readers that use doubles, and is no token count.
MAX_COUNT = 2**53

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
    """A believable token count, else None: `type()` and not isinstance, since True is an int."""
    if type(value) is int and 0 <= value <= MAX_COUNT:
        return value
    return None


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
