"""Old events in the newest shape: readers never see another one.

An upcaster turns the body of one version into the next; a chain of them leads to the newest. They
are total and pure. tests/golden/ keeps one frozen example of every type and version for good.
"""

from collections.abc import Callable
from typing import Any

from sealbook.contract.documents import compact, parse
from sealbook.contract.events import EVENT_TYPES, Event, InteractionRecorded
from sealbook.errors import InvalidInput

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


def _unchanged(body: dict[str, Any]) -> dict[str, Any]:
    return body


UPCASTERS: dict[tuple[str, int], Upcaster] = {
    # Version 2 may have `claim` in place of `sealed`, and tells a stop cause and earlier tools.
    (InteractionRecorded.type, 1): _unchanged,
}
"""(type, version) → how its body becomes that of version + 1."""


def read_event(event_type: str, version: int, body: bytes) -> Event:
    """The event in its newest shape.

    Raises:
        InvalidInput: an unknown type, a version from the future, or a body that does not fit.
    """
    newest = EVENT_TYPES.get(event_type)
    if newest is None:
        raise InvalidInput(
            f"The event type {event_type!r} is unknown.",
            remedy="Upgrade this reader, or remove what appended it.",
        )
    if version < 1:
        raise InvalidInput(f"The {newest.type} event has version {version}; they count from 1.")
    if version == newest.version:
        return _validated(newest, body)
    return _validated(newest, _upcast(newest, version, body))


def _validated(newest: type[Event], body: bytes) -> Event:
    try:
        return newest.model_validate_json(body)
    except ValueError:
        # The cause quotes the body: it must not travel with the error.
        raise InvalidInput(
            f"The body of an {newest.type} event does not have the shape of version "
            f"{newest.version}.",
            remedy="See which program appended it: its `ce-source` header tells.",
        ) from None


def _upcast(newest: type[Event], version: int, body: bytes) -> bytes:
    if version > newest.version:
        raise InvalidInput(
            f"The {newest.type} event has version {version}; this reader knows up to "
            f"{newest.version}.",
            remedy="Upgrade this reader.",
        )
    document = parse(body)
    if not isinstance(document, dict):
        return body
    for step in range(version, newest.version):
        document = UPCASTERS[newest.type, step](document)
    # JSON again: only there do bytes travel as base64 and times as text.
    return compact(document)
