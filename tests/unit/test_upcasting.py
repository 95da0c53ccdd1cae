"""Old events in the newest shape, and what cannot be read refused without its content."""

import json
from typing import Any, ClassVar

import pytest

from sealbook.contract import upcasting
from sealbook.contract.events import EVENT_TYPES, Event, ExportCancelled
from sealbook.contract.upcasting import read_event
from sealbook.errors import InvalidInput

CANARY = "canary-7f3a"
BODY = {
    "id": "019a0a0a-0001-7abc-8def-0123456789ab",
    "job_id": "j",
    "actor": "alice",
    "cancelled_at": "2026-01-02T03:04:05Z",
}


class Renamed(Event):
    """Version 3 of an artificial event: `who` became `name`, then `sealed` came."""

    type: ClassVar[str] = "test.renamed"
    version: ClassVar[int] = 3

    name: str
    sealed: bytes


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(body: dict[str, Any]) -> dict[str, Any]:
        return {"name": body["who"]} if "who" in body else body

    def second(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"sealed": "_-8="}

    monkeypatch.setitem(EVENT_TYPES, Renamed.type, Renamed)
    monkeypatch.setitem(upcasting.UPCASTERS, (Renamed.type, 1), first)
    monkeypatch.setitem(upcasting.UPCASTERS, (Renamed.type, 2), second)


def refusal(event_type: str, version: int, body: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_event(event_type, version, body)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert CANARY not in str(caught.value)
    return str(caught.value)


def test_the_newest_version_is_read_as_it_is() -> None:
    event = read_event("export.cancelled", 1, json.dumps(BODY).encode())
    assert isinstance(event, ExportCancelled)
    assert event.actor == "alice"


def test_a_field_this_reader_does_not_know_is_left_out() -> None:
    event = read_event("export.cancelled", 1, json.dumps(BODY | {"later": CANARY}).encode())
    assert not hasattr(event, "later")


def test_an_unknown_type_is_refused() -> None:
    assert "'export.exploded' is unknown" in refusal("export.exploded", 1, CANARY.encode())


def test_a_version_from_the_future_is_refused() -> None:
    message = refusal("export.cancelled", 2, json.dumps(BODY | {"actor": CANARY}).encode())
    assert "has version 2; this reader knows up to 1" in message
    assert "Upgrade" in message


@pytest.mark.parametrize("version", [0, -1])
def test_a_version_that_never_was_is_refused(version: int) -> None:
    assert f"has version {version}" in refusal("export.cancelled", version, b"{}")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        CANARY.encode(),
        f'"{CANARY}"'.encode(),
        f'["{CANARY}"]'.encode(),
        f'{{"{CANARY}": 1}}'.encode(),
        json.dumps(BODY | {"id": CANARY}).encode(),
        json.dumps(BODY | {"cancelled_at": CANARY}).encode(),
        json.dumps(BODY | {"actor": [CANARY]}).encode(),
        json.dumps(BODY).encode()[:-1],
        b"\xff" + CANARY.encode(),
        b"[" * 100_000,
    ],
)
def test_a_broken_body_is_refused_without_its_content(body: bytes) -> None:
    assert "does not have the shape of version 1" in refusal("export.cancelled", 1, body)


@pytest.mark.usefixtures("chain")
def test_an_old_version_passes_through_every_upcaster_on_its_way() -> None:
    expected = Renamed(name="ada", sealed=b"\xff\xef")
    assert read_event("test.renamed", 1, b'{"who": "ada"}') == expected
    assert read_event("test.renamed", 2, b'{"name": "ada"}') == expected
    assert read_event("test.renamed", 3, b'{"name": "ada", "sealed": "_-8="}') == expected


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", f'{{"whom": "{CANARY}"}}'.encode(), f'"{CANARY}"'.encode()]
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_broken_body_of_an_old_version_is_refused_alike(version: int, body: bytes) -> None:
    assert refusal("test.renamed", version, body)


@pytest.mark.usefixtures("chain")
def test_the_future_begins_after_the_newest_version() -> None:
    assert "has version 4; this reader knows up to 3" in refusal("test.renamed", 4, b"{}")
