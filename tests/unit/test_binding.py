"""What a seal is bound to: the version of what is sealed, not of the event around it."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import Row

from sealbook.contract.events import InteractionRecorded, InteractionReviewed
from sealbook.contract.usage import Usage
from sealbook.projection.published import comment_binding, payload_binding
from sealbook.sealing import binding

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
ID = UUID("019a0a0a-0000-7abc-8def-0123456789ab")
RECORDED = InteractionRecorded(
    id=ID,
    project="support",
    provider="openai",
    model="m",
    kind="chat",
    status="success",
    usage=Usage(),
    user_hash="00ff",
    occurred_at=AT,
    policy_version="p",
    fingerprint="f",
    sealed=b"sealed",
)
REVIEWED = InteractionReviewed(
    id=UUID(int=9),
    interaction_id=ID,
    project="support",
    actor="alice",
    state="approved",
    previous_state="flagged",
    review_version=5,
    reviewed_at=AT,
    sealed=b"comment",
)


def row(**fields: Any) -> Row[Any]:
    return cast("Row[Any]", SimpleNamespace(**fields))


RECORDED_ROW = row(**{name: getattr(RECORDED, name) for name in InteractionRecorded.model_fields})
REVIEWED_ROW = row(event_id=REVIEWED.id, project="support", reviewed_at=AT)


def test_what_is_sealed_has_a_version_of_its_own() -> None:
    # Frozen: with another one nothing that was sealed before opens.
    assert binding.PAYLOAD_VERSION == 1
    assert binding.recorded(RECORDED).version == 1
    assert binding.reviewed(REVIEWED).version == 1


def test_the_row_of_an_event_has_the_events_binding() -> None:
    assert payload_binding(RECORDED_ROW) == binding.recorded(RECORDED).encode()
    assert comment_binding(REVIEWED_ROW) == binding.reviewed(REVIEWED).encode()


@pytest.mark.parametrize("event", [RECORDED, REVIEWED], ids=["recorded", "reviewed"])
def test_a_new_version_of_the_event_changes_no_binding(
    event: InteractionRecorded | InteractionReviewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bindings() -> tuple[bytes, ...]:
        return (
            binding.recorded(RECORDED).encode(),
            binding.reviewed(REVIEWED).encode(),
            payload_binding(RECORDED_ROW),
            comment_binding(REVIEWED_ROW),
        )

    before = bindings()
    monkeypatch.setattr(type(event), "version", type(event).version + 1)
    assert bindings() == before
