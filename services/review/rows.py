"""Events as rows of review's tables. Pure."""

from typing import Any

from sealbook.contract.events import (
    AccessRefused,
    DownloadIssued,
    Event,
    ExportCancelled,
    ExportCompleted,
    ExportFailed,
    ExportRequested,
    InteractionOpened,
    InteractionRecorded,
    InteractionReviewed,
    ProjectionRebuilt,
)
from sealbook.projection.projector import Placed

INTERACTION_COLUMNS = (
    ("id", "uuid"),
    ("log_position", "int8"),
    ("partition", "int4"),
    ("occurred_at", "timestamptz"),
    ("claimed_at", "timestamptz"),
    ("project", "text"),
    ("provider", "text"),
    ("model", "text"),
    ("model_answered", "text"),
    ("kind", "text"),
    ("status", "text"),
    ("http_status", "int4"),
    ("error_class", "text"),
    ("finish_reason", "text"),
    ("input_tokens", "int8"),
    ("output_tokens", "int8"),
    ("cache_read_tokens", "int8"),
    ("cache_write_tokens", "int8"),
    ("reasoning_tokens", "int8"),
    ("cost_total_cents", "numeric"),
    ("currency", "text"),
    ("cost_source", "text"),
    ("latency_ms", "float8"),
    ("time_to_first_token_ms", "float8"),
    ("tags", "text[]"),
    ("tools", "text[]"),
    ("user_hash", "text"),
    ("session_id", "text"),
    ("parent_id", "uuid"),
    ("agent", "text"),
    ("flags", "text[]"),
    ("redactions", "jsonb"),
    ("policy_version", "text"),
    ("sealed", "bytea"),
)


def interaction_row(placed: Placed, event: InteractionRecorded) -> tuple[object, ...]:
    """In the order of INTERACTION_COLUMNS."""
    usage, cost = event.usage, event.cost
    return (
        event.id,
        placed.position,
        placed.partition,
        event.occurred_at,
        event.claimed_at,
        event.project,
        event.provider,
        event.model,
        event.model_answered,
        event.kind,
        event.status,
        event.http_status,
        event.error_class,
        event.finish_reason,
        usage.input_total,
        usage.output_total,
        usage.cache_read,
        usage.cache_write,
        usage.reasoning,
        cost.total * 100 if cost else None,
        cost.currency if cost else None,
        cost.source if cost else None,
        event.latency_ms,
        event.time_to_first_token_ms,
        list(event.tags),
        [tool.name for tool in event.tools],
        event.user_hash,
        event.session_id,
        event.parent_id,
        event.agent,
        list(event.flags),
        event.redactions,
        event.policy_version,
        event.sealed,
    )


def decision_row(placed: Placed, event: InteractionReviewed) -> dict[str, Any]:
    return {
        "log_position": placed.position,
        "event_id": event.id,
        "interaction_id": event.interaction_id,
        "project": event.project,
        "actor": event.actor,
        "state": event.state,
        "previous_state": event.previous_state,
        "review_version": event.review_version,
        "reviewed_at": event.reviewed_at,
        "sealed_comment": event.sealed,
    }


def audit_row(position: int, event: Event) -> dict[str, Any] | None:
    """The audit trail's row for an event; None for what no person did."""
    row: dict[str, Any] = {
        "log_position": position,
        "action": event.type,
        "project": None,
        "interaction_id": None,
        "resource": None,
        "details": {},
    }
    match event:
        case InteractionReviewed():
            row |= {"project": event.project, "interaction_id": event.interaction_id}
            row |= {"at": event.reviewed_at}
            row["details"] = {
                "from": event.previous_state,
                "to": event.state,
                "version": event.review_version,
                "comment": event.sealed is not None,
            }
        case InteractionOpened():
            row |= {"project": event.project, "interaction_id": event.interaction_id}
            row |= {"at": event.opened_at}
        case AccessRefused():
            row |= {"at": event.refused_at, "project": event.project, "resource": event.resource}
            row["details"] = {"action": event.action}
        case ExportRequested():
            row |= {"at": event.requested_at, "resource": event.job_id}
            row["details"] = {
                "table": event.table,
                "format": event.format,
                "position": event.position,
            }
        case ExportCompleted():
            row |= {"at": event.completed_at, "resource": event.job_id}
            row["details"] = {"rows": event.rows, "sha256": event.sha256}
        case ExportFailed():
            row |= {"at": event.failed_at, "resource": event.job_id}
            row["details"] = {"error_code": event.error_code}
        case ExportCancelled():
            row |= {"at": event.cancelled_at, "resource": event.job_id}
        case DownloadIssued():
            row |= {"at": event.issued_at, "resource": event.job_id}
        case ProjectionRebuilt():
            row |= {"at": event.rebuilt_at, "resource": event.projection}
            row["details"] = {"generation": event.generation, "position": event.position}
        case _:
            return None
    return row | {"actor": event.actor}
