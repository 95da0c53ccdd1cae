"""Review: what a command comes to in the state an interaction is in, and the rows of its events."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic_core import to_json

from sealbook.contract import subjects
from sealbook.contract.commands import MAX_REVIEW_IDS, Review
from sealbook.contract.events import (
    EVENT_TYPES,
    AccessRefused,
    Cost,
    DownloadIssued,
    Event,
    ExportCancelled,
    ExportCompleted,
    ExportFailed,
    ExportRequested,
    InteractionOpened,
    InteractionRecorded,
    InteractionReviewed,
    PolicyChanged,
    ProjectionRebuilt,
    RotationCompleted,
    RotationStarted,
    ToolCall,
)
from sealbook.contract.usage import Usage
from sealbook.errors import Conflict, InvalidInput
from sealbook.projection.projector import Placed
from sealbook.projection.published import audit_columns, decision_columns, interaction_columns
from services.review.decide import Standing, conflict, decide
from services.review.projector import ReviewProjector
from services.review.rows import INTERACTION_COLUMNS, decision_row, interaction_row
from services.review.trail import audit_row

ID = UUID("019a0a0a-0000-7abc-8def-0123456789ab")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STANDING = Standing(ID, "support", 3, "flagged", 4, 41)
CANARY = "canary-7f3a"


def review(**fields: Any) -> Review:
    return Review.model_validate({"ids": [ID], "state": "approved", **fields})


def recorded(**fields: Any) -> InteractionRecorded:
    return InteractionRecorded.model_validate(
        {
            "id": ID,
            "project": "support",
            "provider": "openai",
            "model": "m",
            "kind": "chat",
            "status": "success",
            "usage": Usage(),
            "occurred_at": NOW,
            "policy_version": "p",
            "fingerprint": "f",
            "sealed": b"sealed",
            **fields,
        }
    )


def test_a_decision_is_the_next_version_and_remembers_the_last_state() -> None:
    event = decide(STANDING, review(), "alice", NOW)
    assert (event.state, event.previous_state, event.review_version) == ("approved", "flagged", 5)
    assert (event.interaction_id, event.project, event.actor) == (ID, "support", "alice")
    assert event.reviewed_at == NOW
    assert event.id.version == 7


def test_the_comment_does_not_enter_the_event_in_clear() -> None:
    event = decide(STANDING, review(comment=CANARY), "alice", NOW)
    assert CANARY not in event.model_dump_json()
    assert event.sealed is None


def test_two_decisions_are_two_events() -> None:
    one, other = (decide(STANDING, review(), "alice", NOW) for _ in range(2))
    assert one.id != other.id


def test_the_expected_version_lets_the_decision_through() -> None:
    assert decide(STANDING, review(expected_version=4), "alice", NOW).review_version == 5


@pytest.mark.parametrize("expected", [0, 3, 5])
def test_another_version_is_a_conflict_that_says_where_it_stands(expected: int) -> None:
    with pytest.raises(Conflict) as caught:
        decide(STANDING, review(expected_version=expected), "alice", NOW)
    message = str(caught.value)
    assert f"{ID} is at review version 4 (flagged), not {expected}" in message
    assert caught.value.code == "conflict"


def test_version_zero_is_an_interaction_nobody_reviewed() -> None:
    fresh = Standing(ID, "support", 3, "unreviewed", 0, 0)
    assert decide(fresh, review(expected_version=0), "alice", NOW).review_version == 1
    assert ", not" not in str(conflict(fresh, None))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"ids": []}, "either `ids` or `filter`"),
        ({"filter": {}}, "either `ids` or `filter`"),
        ({"ids": [ID, uuid4()], "expected_version": 1}, "exactly one id"),
        ({"ids": [], "filter": {}, "expected_version": 1}, "exactly one id"),
        ({"expected_version": -1}, "`expected_version`"),
        ({"state": CANARY}, "`state`"),
        ({"comment": CANARY * 1000}, "`comment`"),
        ({"ids": [str(uuid4())] * (MAX_REVIEW_IDS + 1)}, "`ids`"),
        ({"ids": [CANARY]}, "`ids.0`"),
        ({"reviewer": CANARY}, "`reviewer`: unknown field"),
    ],
)
def test_a_command_that_does_not_fit_is_refused_by_what_does_not(
    fields: dict[str, Any], complaint: str
) -> None:
    body = {"ids": [ID], "state": "approved"} | fields
    with pytest.raises(InvalidInput) as caught:
        Review.read(to_json(body))
    assert complaint in str(caught.value)
    assert CANARY not in str(caught.value)


def test_an_interaction_becomes_its_row_column_by_column() -> None:
    event = recorded(
        usage=Usage(input=1, cache_read=2, cache_write=4, output=8, reasoning=16),
        cost=Cost(total=Decimal("0.0123"), currency="EUR", source="explicit"),
        tags=("a", "b"),
        tools=(ToolCall(name="t", ok=True),),
        http_status=200,
        latency_ms=187.5,
        time_to_first_token_ms=12.5,
    )
    names = [name for name, _ in INTERACTION_COLUMNS]
    row = dict(zip(names, interaction_row(Placed(7, 3, event), event), strict=True))
    assert (row["log_position"], row["partition"]) == (7, 3)
    assert (row["input_tokens"], row["output_tokens"]) == (7, 24)
    assert (row["cost_total_cents"], row["currency"]) == (Decimal("1.23"), "EUR")
    assert (row["tags"], row["tools"]) == (["a", "b"], ["t"])
    assert row["sealed"] == b"sealed"
    same = set(names) & set(InteractionRecorded.model_fields) - {"tags", "tools", "flags"}
    assert len(same) > 15
    assert {name: row[name] for name in same - {"redactions"}} == {
        name: getattr(event, name) for name in same - {"redactions"}
    }


def test_unknown_usage_and_cost_stay_unknown() -> None:
    names = [name for name, _ in INTERACTION_COLUMNS]
    row = dict(zip(names, interaction_row(Placed(7, 3, recorded()), recorded()), strict=True))
    unknown = ("input_tokens", "output_tokens", "cost_total_cents", "currency", "latency_ms")
    assert [row[name] for name in unknown] == [None] * len(unknown)


def test_the_rows_are_those_of_the_published_views() -> None:
    published = {column.name for column in interaction_columns()}
    reviewed = {name for name in published if name.startswith("review")}
    assert {name for name, _ in INTERACTION_COLUMNS} == published - reviewed
    decision = decision_row(Placed(8, 3, REVIEWED), REVIEWED)
    assert decision.keys() == {column.name for column in decision_columns()}
    assert (decision["event_id"], decision["interaction_id"]) == (REVIEWED.id, ID)


REVIEWED = InteractionReviewed(
    id=UUID(int=9),
    interaction_id=ID,
    project="support",
    actor="alice",
    state="approved",
    previous_state="flagged",
    review_version=5,
    reviewed_at=NOW,
    sealed=b"comment",
)
EXPORT: dict[str, Any] = {"id": UUID(int=9), "job_id": "j", "actor": "alice"}
AUDITED: list[tuple[Event, dict[str, Any]]] = [
    (
        REVIEWED,
        {
            "project": "support",
            "interaction_id": ID,
            "details": {"from": "flagged", "to": "approved", "version": 5, "comment": True},
        },
    ),
    (
        InteractionOpened(
            id=UUID(int=9), interaction_id=ID, project="support", actor="alice", opened_at=NOW
        ),
        {"project": "support", "interaction_id": ID, "details": {}},
    ),
    (
        AccessRefused(
            id=UUID(int=9), actor="alice", action="review", project="sales", refused_at=NOW
        ),
        {"project": "sales", "resource": None, "details": {"action": "review"}},
    ),
    (
        ExportRequested(
            **EXPORT,
            table="interactions",
            format="csv",
            position=3,
            requested_at=NOW,
            sealed=b"",
        ),
        {
            "resource": "j",
            "details": {"table": "interactions", "format": "csv", "position": 3},
        },
    ),
    (
        ExportCompleted(
            **EXPORT,
            object_key="k",
            position=3,
            rows=2,
            size_bytes=1,
            sha256="s",
            completed_at=NOW,
        ),
        {"resource": "j", "details": {"rows": 2, "sha256": "s"}},
    ),
    (
        ExportFailed(**EXPORT, error_code="unavailable", retryable=True, failed_at=NOW),
        {"resource": "j", "details": {"error_code": "unavailable"}},
    ),
    (ExportCancelled(**EXPORT, cancelled_at=NOW), {"resource": "j", "details": {}}),
    (DownloadIssued(**EXPORT, issued_at=NOW), {"resource": "j", "details": {}}),
    (
        ProjectionRebuilt(
            id=UUID(int=9),
            projection="review",
            actor="alice",
            generation=2,
            position=3,
            digest="d",
            rebuilt_at=NOW,
        ),
        {"resource": "review", "details": {"generation": 2, "position": 3}},
    ),
    (
        PolicyChanged(
            id=UUID(int=9),
            name="redaction",
            policy_version="0123456789ab",
            actor="alice",
            changed_at=NOW,
            sealed=b"s",
        ),
        {"resource": "redaction", "details": {"version": "0123456789ab"}},
    ),
    (
        RotationStarted(id=UUID(int=9), actor="alice", kek_id="local-1", keys=7, started_at=NOW),
        {"resource": "local-1", "details": {"keys": 7}},
    ),
    (
        RotationCompleted(
            id=UUID(int=9),
            actor="alice",
            kek_id="local-1",
            rewrapped=6,
            remaining=1,
            completed_at=NOW,
        ),
        {"resource": "local-1", "details": {"rewrapped": 6, "remaining": 1}},
    ),
]


@pytest.mark.parametrize(("event", "row"), AUDITED, ids=[event.type for event, _ in AUDITED])
def test_what_a_person_did_stands_in_the_audit_trail(event: Event, row: dict[str, Any]) -> None:
    made = audit_row(8, event)
    assert made is not None
    assert made.keys() == {column.name for column in audit_columns()}
    always = {"log_position": 8, "at": NOW, "actor": "alice", "action": event.type}
    assert made == made | always | row


def test_every_event_but_the_recording_itself_is_in_the_audit_trail() -> None:
    assert {event.type for event, _ in AUDITED} == EVENT_TYPES.keys() - {"interaction.recorded"}


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_review_reads_every_event_so_that_it_can_reach_any_position(event_type: str) -> None:
    assert ReviewProjector.event_types == ("*.*",)
    (pattern,) = (subjects.events(kind) for kind in ReviewProjector.event_types)
    wanted, given = pattern.split("."), subjects.event(3, event_type, "k").split(".")
    assert len(wanted) == len(given)
    assert all(one in ("*", other) for one, other in zip(wanted, given, strict=True))


def test_what_no_person_did_does_not() -> None:
    assert audit_row(8, recorded()) is None
