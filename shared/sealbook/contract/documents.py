"""JSON documents from outside: read within limits, written canonically.

Refuses what a later reader could not hold or would read differently: nesting beyond 64, numbers
that are not finite, lone surrogates. Integers of any size stay exact; of duplicate keys the last
wins. Errors name the place (JSON Pointer, RFC 6901), never the content.
"""

import json
import math
import re
from typing import Any, TypeAlias

from pydantic_core import from_json, to_json

from sealbook.errors import InvalidInput

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DEPTH = 64
MAX_CONTAINERS = 500_000
"""Objects and arrays. An empty one has two bytes on the wire and thirty times as many in memory."""
MAX_VALUES = 500_000
"""By their commas. A short string has ten times its bytes in memory, and each is looked at."""
_STRING = re.compile(rb'"[^"]*"')


def parse(body: bytes | str) -> JsonValue:
    """The parsed document.

    Raises:
        InvalidInput: not JSON (RFC 8259), too deep, with a number that is not finite, or with too
            many values (counted before they are made).
    """
    if len(body) > MAX_VALUES:
        _check_size(body if isinstance(body, bytes) else body.encode(errors="replace"))
    try:
        document: JsonValue = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise InvalidInput(
            f"The body is not valid JSON: {_without_content(error)}.",
            remedy="Send one JSON document as UTF-8 (RFC 8259).",
        ) from None
    check(document)
    return document


def check(document: JsonValue) -> None:
    """Raise InvalidInput when the document is too deep or holds a number that is not finite."""
    level: list[Any] = [document]
    for depth in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for node in level:
            # On every message's way: most nodes are strings, and `isinstance` costs a third more.
            kind = type(node)
            if kind is str:
                continue
            if kind is dict:
                below += node.values()
            elif kind is list:
                below += node
            elif kind is float and not math.isfinite(node):
                raise InvalidInput(
                    f"The number at {_pointer_to(document, node)} is beyond ±1e308.",
                    remedy="Send it as a string, or leave it out.",
                )
        if depth == MAX_DEPTH and any(isinstance(node, dict | list) for node in level):
            break
        if not below:
            return
        level = below
    raise InvalidInput(
        f"The document is nested deeper than {MAX_DEPTH} levels.",
        remedy="Send the deep part as a string.",
    )


def _check_size(body: bytes) -> None:
    # Brackets in strings count: JSON in strings is looked into as well.
    containers = body.count(b"[") + body.count(b"{")
    if containers > MAX_CONTAINERS:
        raise InvalidInput(
            f"The document has {containers:,} objects and arrays, more than {MAX_CONTAINERS:,}.",
            remedy="Send several submissions.",
        )
    if body.count(b",") >= MAX_VALUES and (values := 1 + _separators(body)) > MAX_VALUES:
        raise InvalidInput(
            f"The document has {values:,} values, more than {MAX_VALUES:,}.",
            remedy="Send several submissions, or the large part as a string.",
        )


def _separators(body: bytes) -> int:
    """Commas outside of strings."""
    plain = body.replace(rb"\\", b"").replace(rb"\"", b"")
    return plain.count(b",") - sum(one.group().count(b",") for one in _STRING.finditer(plain))


def canonical(document: JsonValue) -> bytes:
    """One byte form per value: keys sorted, no white space, UTF-8 (in the manner of RFC 8785)."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8")


def compact(document: JsonValue) -> bytes:
    """The document as compact JSON in its own key order."""
    return to_json(document, inf_nan_mode="strings")


def _without_content(error: ValueError) -> str:
    """The parser's reason and position; jiter's messages quote no input."""
    return str(error).rstrip(".")


def _pointer_to(document: JsonValue, wanted: JsonValue) -> str:
    stack: list[tuple[str, JsonValue]] = [("", document)]
    while stack:
        path, node = stack.pop()
        if node is wanted:
            return path or "the top"
        if isinstance(node, dict):
            stack.extend((f"{path}/{_escape(key)}", value) for key, value in node.items())
        elif isinstance(node, list):
            stack.extend((f"{path}/{index}", value) for index, value in enumerate(node))
    return "an unknown place"


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
