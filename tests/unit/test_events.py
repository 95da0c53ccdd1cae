"""Events: one frozen example of every type and version, readable for good.

A file of tests/golden/ is never changed. Who changes an event's shape gives it a new version, adds
a golden file for that, and an upcaster which turns the old files into the newest shape below.
"""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sealbook.contract import subjects
from sealbook.contract.envelope import LogEntry, headers_for
from sealbook.contract.events import (
    EVENT_TYPES,
    AccessRefused,
    Claim,
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
from sealbook.contract.upcasting import UPCASTERS
from sealbook.contract.usage import Usage
from sealbook.errors import InvalidInput

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = sorted(GOLDEN.glob("*.json"))

ID = UUID("019a0a0a-0001-7abc-8def-0123456789ab")
INTERACTION = UUID("019a0a0a-0000-7abc-8def-0123456789ab")
PARENT = UUID("019a0a09-ffff-7abc-8def-0123456789ab")
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
JOB = "0123456789abcdef0123456789abcdef"
SEALED = bytes(range(256))
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

NEWEST: tuple[Event, ...] = (
    InteractionRecorded(
        id=INTERACTION,
        project="support",
        provider="openai",
        model="gpt-4o-mini",
        model_answered="gpt-4o-mini-2024-07-18",
        kind="chat",
        status="error",
        http_status=429,
        error_class="rate_limit_exceeded",
        finish_reason="stop",
        stop_cause="refusal",
        usage=Usage(input=10, cache_read=5, output=7, reasoning=0),
        cost=Cost(total=Decimal("0.00001230"), currency="USD", source="explicit"),
        latency_ms=187.25,
        time_to_first_token_ms=12.0,
        tags=("triage", "größe|[EMAIL]"),
        tools=(ToolCall(name="lookup", ok=True, earlier=True), ToolCall(name="send")),
        user_hash="00112233445566778899aabbccddeeff",
        session_id="s-1",
        parent_id=PARENT,
        agent="helper",
        occurred_at=AT,
        claimed_at=datetime(1970, 1, 1, tzinfo=UTC),
        flags=("clock_skew",),
        redactions={"email": 2},
        policy_version="7017d4b76cff",
        fingerprint="ffeeddccbbaa99887766554433221100",
        claim=Claim(
            object_key=f"payloads/2026-01-02T03/{INTERACTION}/{SHA256}",
            size_bytes=65_537,
            sha256=SHA256,
            key_id=UUID("019a0a0a-0002-7abc-8def-0123456789ab"),
        ),
    ),
    InteractionReviewed(
        id=ID,
        interaction_id=INTERACTION,
        project="support",
        actor="alice",
        state="flagged",
        previous_state="unreviewed",
        review_version=1,
        reviewed_at=AT,
        sealed=SEALED,
    ),
    InteractionOpened(
        id=ID, interaction_id=INTERACTION, project="support", actor="alice", opened_at=AT
    ),
    AccessRefused(
        id=ID,
        actor="mallory",
        action="review",
        project="support",
        resource=str(INTERACTION),
        refused_at=AT,
    ),
    ExportRequested(
        id=ID,
        job_id=JOB,
        actor="alice",
        project="support",
        projects=("sales", "support"),
        table="interactions",
        format="csv",
        position=41,
        requested_at=AT,
        sealed=SEALED,
    ),
    ExportCompleted(
        id=ID,
        job_id=JOB,
        actor="alice",
        object_key=f"exports/{JOB}/sealbook-interactions.csv",
        position=41,
        rows=3,
        size_bytes=2**40,
        sha256=SHA256,
        truncated=True,
        completed_at=AT,
    ),
    ExportFailed(
        id=ID,
        job_id=JOB,
        actor="alice",
        error_code="unavailable",
        retryable=True,
        failed_at=AT,
        sealed=SEALED,
    ),
    ExportCancelled(id=ID, job_id=JOB, actor="alice", cancelled_at=AT),
    DownloadIssued(id=ID, job_id=JOB, actor="alice", issued_at=AT),
    PolicyChanged(
        id=ID,
        name="redaction",
        policy_version="0123456789ab",
        actor="alice",
        changed_at=AT,
        sealed=SEALED,
    ),
    ProjectionRebuilt(
        id=ID,
        projection="review",
        actor="alice",
        generation=2,
        position=42,
        digest="interaction=3:-17",
        rebuilt_at=AT,
    ),
    RotationStarted(id=ID, actor="alice", kek_id="local-00112233", keys=612, started_at=AT),
    RotationCompleted(
        id=ID, actor="alice", kek_id="local-00112233", rewrapped=610, remaining=2, completed_at=AT
    ),
)
EXPECTED = {event.type: event for event in NEWEST}
UPCAST = {
    "interaction.recorded.v1": EXPECTED["interaction.recorded"].model_copy(
        update={
            "sealed": SEALED,
            "claim": None,
            "stop_cause": None,
            "tools": (ToolCall(name="lookup", ok=True), ToolCall(name="send")),
        }
    )
}
"""What older versions become, where it is not the newest event above."""


def entry(golden: dict[str, Any]) -> LogEntry:
    return LogEntry(1, golden["subject"], golden["headers"], json.dumps(golden["body"]).encode())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_frozen_event_reads_as_the_newest_shape(path: Path) -> None:
    frozen = entry(json.loads(path.read_text("utf-8")))
    expected = UPCAST.get(path.stem) or EXPECTED[frozen.event_type]
    assert frozen.event() == expected
    assert frozen.subject == subjects.event(3, expected.type, expected.key)
    assert path.stem == f"{frozen.event_type}.v{frozen.headers['ce-dataversion']}"


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_version_of_a_type_has_its_frozen_event(event_type: str) -> None:
    versions = range(1, EVENT_TYPES[event_type].version + 1)
    missing = [n for n in versions if not (GOLDEN / f"{event_type}.v{n}.json").exists()]
    assert not missing
    assert all((event_type, version) in UPCASTERS for version in versions[:-1])


def test_every_frozen_event_is_of_a_known_type() -> None:
    assert len(FILES) >= len(EVENT_TYPES) == len(EXPECTED)
    assert {path.stem.rpartition(".v")[0] for path in FILES} == EVENT_TYPES.keys()


@pytest.mark.parametrize("event", NEWEST, ids=lambda event: event.type)
def test_what_is_written_today_has_the_frozen_shape_of_its_version(event: Event) -> None:
    golden = json.loads((GOLDEN / f"{event.type}.v{event.version}.json").read_text("utf-8"))
    assert json.loads(event.model_dump_json()) == golden["body"]
    assert golden["headers"] == headers_for(
        event, event_id=str(ID), source="/sealbook/golden", subject=event.key, time=AT
    )


@pytest.mark.parametrize("event", NEWEST, ids=lambda event: event.type)
def test_no_field_of_a_frozen_event_is_left_at_its_default(event: Event) -> None:
    # Else a reader that drops the field would pass.
    fields = type(event).model_fields
    defaults = [
        name
        for name, field in fields.items()
        if not field.is_required() and getattr(event, name) == field.get_default()
    ]
    # A payload is in one place; the golden file of version 1 has it in the other.
    assert defaults == (["sealed"] if isinstance(event, InteractionRecorded) else [])


def test_bytes_travel_as_base64url() -> None:
    body = json.loads(EXPECTED["interaction.reviewed"].model_dump_json())
    assert body["sealed"] == urlsafe_b64encode(SEALED).decode()
    assert {"-", "_"} <= set(body["sealed"])


def test_amounts_and_times_keep_every_digit() -> None:
    body = json.loads(EXPECTED["interaction.recorded"].model_dump_json())
    assert body["cost"]["total"] == "0.00001230"
    assert body["occurred_at"] == "2026-01-02T03:04:05.678901Z"


def test_headers_are_cloudevents_1_0() -> None:
    headers = headers_for(
        EXPECTED["export.cancelled"],
        event_id="e-1",
        source="/sealbook/export",
        subject=JOB,
        time=AT.astimezone(timezone(timedelta(hours=2))),
    )
    required = {"ce-specversion", "ce-id", "ce-source", "ce-type"}
    assert required <= headers.keys()
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-type"] == "export.cancelled"
    assert datetime.fromisoformat(headers["ce-time"]) == AT
    assert all(value.isascii() and value.isprintable() for value in headers.values())


@pytest.mark.parametrize("version", ["", "one", "-1", "1.0", "²", "٣", "1 ", "9" * 5000])
def test_an_entry_without_a_readable_version_is_refused(version: str) -> None:
    headers = {"ce-type": "export.cancelled", "ce-dataversion": version}
    with pytest.raises(InvalidInput, match=r"position 7 has no `ce-dataversion`"):
        LogEntry(7, "s", headers, b"{}").event()


def test_an_entry_without_headers_is_refused() -> None:
    with pytest.raises(InvalidInput):
        LogEntry(7, "s", {}, b"{}").event()


def test_events_are_values_that_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        EXPECTED["export.cancelled"].job_id = "x"  # type: ignore[attr-defined]


@pytest.mark.parametrize("fields", [{"claim": None}, {"sealed": "AAEC"}])
def test_a_payload_is_either_in_its_event_or_claimed_by_it(fields: dict[str, Any]) -> None:
    golden = json.loads((GOLDEN / "interaction.recorded.v2.json").read_text("utf-8"))
    golden["body"] |= fields
    with pytest.raises(InvalidInput, match="does not have the shape of version 2"):
        entry(golden).event()
