"""Events as rows of review's tables. Pure."""

from typing import Any

from sealbook.contract.events import InteractionRecorded, InteractionReviewed
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
    ("claim_object_key", "text"),
    ("claim_size_bytes", "int8"),
    ("claim_sha256", "text"),
    ("claim_key_id", "uuid"),
)


def interaction_row(placed: Placed, event: InteractionRecorded) -> tuple[object, ...]:
    """In the order of INTERACTION_COLUMNS."""
    usage, cost, claim = event.usage, event.cost, event.claim
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
        claim.object_key if claim else None,
        claim.size_bytes if claim else None,
        claim.sha256 if claim else None,
        claim.key_id if claim else None,
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
