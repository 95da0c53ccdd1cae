"""JSON inside strings, such as the arguments of a tool call."""

import json
from typing import Any, NoReturn


class NotJson(Exception):
    """The text only looks like JSON; it is scanned as text."""


def decode(text: str) -> tuple[Any, bool]:
    """The tree, and whether an object repeated a key, so that the text holds more than the tree.

    Such text may not be kept: what the earlier entry held has not been scanned.
    """
    repeated = False

    def pairs(entries: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        built = dict(entries)
        repeated = repeated or len(built) != len(entries)
        return built

    try:
        tree = json.loads(text, object_pairs_hook=pairs, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotJson from error
    if not isinstance(tree, dict | list):
        raise NotJson
    return tree, repeated


def encode(tree: Any) -> str:
    """Compact JSON; ValueError for infinities, which JSON cannot hold."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
