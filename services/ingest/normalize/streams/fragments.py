"""Joins objects that arrive in fragments, in time linear in their size.

All pieces of a field are collected first and joined once; adding piece by piece to a growing
string would be quadratic. Text is concatenated, lists are merged by their items' `index` where
they have one, of everything else the last word counts.
"""

from collections.abc import Iterable, Sequence

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.reading import Fields

# Fields whose strings are fragments; all other strings (ids, roles, reasons) are repeated whole.
_TEXT = frozenset(
    {
        "arguments",
        "content",
        "data",
        "input",
        "partial_json",
        "reasoning",
        "reasoning_content",
        "refusal",
        "response",
        "signature",
        "summary",
        "text",
        "thinking",
        "tool_plan",
        "transcript",
        "value",
    }
)
_MAX_DEPTH = 8


def join_objects(pieces: Iterable[Fields], depth: int = _MAX_DEPTH) -> Fields:
    """One object from its pieces."""
    collected: dict[str, list[JsonValue]] = {}
    for piece in pieces:
        for name, value in piece.items():
            collected.setdefault(name, []).append(value)
    return {name: _join(name, values, depth) for name, values in collected.items()}


def by_index(items: Iterable[JsonValue]) -> dict[int, list[Fields]]:
    """The objects grouped by their `index`, 0 where there is none, in the order of the index."""
    groups: dict[int, list[Fields]] = {}
    for item in items:
        if isinstance(item, dict):
            index = item.get("index")
            groups.setdefault(index if isinstance(index, int) else 0, []).append(item)
    return dict(sorted(groups.items()))


def last_said(values: Sequence[JsonValue]) -> JsonValue:
    """The last value that says something, else the last."""
    for value in reversed(values):
        if value is not None and value != "":
            return value
    return values[-1] if values else None


def _join(name: str, values: list[JsonValue], depth: int) -> JsonValue:
    known = [value for value in values if value is not None]
    if len(known) < 2 or depth == 0:
        return known[-1] if known else None
    kinds = {type(value) for value in known}
    if kinds == {str} and name in _TEXT:
        return "".join(value for value in known if isinstance(value, str))
    if kinds == {dict}:
        return join_objects((value for value in known if isinstance(value, dict)), depth - 1)
    if list in kinds and kinds <= {list, str}:
        return _join_lists(known, depth - 1)
    return last_said(known)


def _join_lists(values: Sequence[JsonValue], depth: int) -> JsonValue:
    items: list[JsonValue] = []
    for value in values:
        if isinstance(value, list):
            items.extend(value)
        elif value:  # Mistral changes from blocks (thinking) to plain text within one answer.
            items.append({"type": "text", "text": value})
    if items and all(isinstance(item, dict) and type(item.get("index")) is int for item in items):
        return [join_objects(group, depth) for group in by_index(items).values()]
    return items
