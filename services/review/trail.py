"""The audit trail: what a person did, as a row of it. Pure."""

from collections.abc import Callable, Mapping
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
    InteractionReviewed,
    PolicyChanged,
    ProjectionRebuilt,
    RotationCompleted,
    RotationStarted,
)

Row = dict[str, Any]


def audit_row(position: int, event: Event) -> Row | None:
    """The row for an event; None for what no person did."""
    tell = _TOLD.get(type(event))
    if tell is None:
        return None
    row: Row = {"project": None, "interaction_id": None, "resource": None, "details": {}}
    told: Row = tell(event)
    return row | {
        "log_position": position,
        "action": event.type,
        "actor": getattr(event, "actor", None),
        **told,
    }


def _about_interaction(event: InteractionReviewed | InteractionOpened) -> Row:
    return {"project": event.project, "interaction_id": event.interaction_id}


def _reviewed(event: InteractionReviewed) -> Row:
    details = {
        "from": event.previous_state,
        "to": event.state,
        "version": event.review_version,
        "comment": event.sealed is not None,
    }
    return _about_interaction(event) | {"at": event.reviewed_at, "details": details}


def _opened(event: InteractionOpened) -> Row:
    return _about_interaction(event) | {"at": event.opened_at}


def _refused(event: AccessRefused) -> Row:
    return {
        "at": event.refused_at,
        "project": event.project,
        "resource": event.resource,
        "details": {"action": event.action},
    }


def _export_requested(event: ExportRequested) -> Row:
    details = {"table": event.table, "format": event.format, "position": event.position}
    return {"at": event.requested_at, "resource": event.job_id, "details": details}


def _export_completed(event: ExportCompleted) -> Row:
    details = {"rows": event.rows, "sha256": event.sha256}
    return {"at": event.completed_at, "resource": event.job_id, "details": details}


def _export_failed(event: ExportFailed) -> Row:
    details = {"error_code": event.error_code}
    return {"at": event.failed_at, "resource": event.job_id, "details": details}


def _export_cancelled(event: ExportCancelled) -> Row:
    return {"at": event.cancelled_at, "resource": event.job_id}


def _download_issued(event: DownloadIssued) -> Row:
    return {"at": event.issued_at, "resource": event.job_id}


def _rebuilt(event: ProjectionRebuilt) -> Row:
    details = {"generation": event.generation, "position": event.position}
    return {"at": event.rebuilt_at, "resource": event.projection, "details": details}


def _policy_changed(event: PolicyChanged) -> Row:
    details = {"version": event.policy_version}
    return {"at": event.changed_at, "resource": event.name, "details": details}


def _rotation_started(event: RotationStarted) -> Row:
    return {"at": event.started_at, "resource": event.kek_id, "details": {"keys": event.keys}}


def _rotation_completed(event: RotationCompleted) -> Row:
    details = {"rewrapped": event.rewrapped, "remaining": event.remaining}
    return {"at": event.completed_at, "resource": event.kek_id, "details": details}


_TOLD: Mapping[type[Event], Callable[[Any], Row]] = {
    InteractionReviewed: _reviewed,
    InteractionOpened: _opened,
    AccessRefused: _refused,
    ExportRequested: _export_requested,
    ExportCompleted: _export_completed,
    ExportFailed: _export_failed,
    ExportCancelled: _export_cancelled,
    DownloadIssued: _download_issued,
    ProjectionRebuilt: _rebuilt,
    PolicyChanged: _policy_changed,
    RotationStarted: _rotation_started,
    RotationCompleted: _rotation_completed,
}
