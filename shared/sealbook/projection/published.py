"""The published views: what one service's projection promises to the readers of all others.

A view's name ends in its version; a change that would break a reader is a new version beside it.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Row,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from sealbook.contract.events import Claim
from sealbook.sealing import binding, cipher

INTERACTION_VIEW = "interaction_v1"
DECISION_VIEW = "decision_v1"
AUDIT_VIEW = "audit_v1"
DAILY_VIEW = "daily_v1"


def interaction_columns() -> list[Column[object]]:
    """One row per recorded interaction, with its current review state."""
    moment = DateTime(timezone=True)
    return [
        Column("id", Uuid, primary_key=True),
        Column("log_position", BigInteger, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("occurred_at", moment, nullable=False),
        Column("claimed_at", moment),
        Column("project", Text, nullable=False),
        Column("provider", Text, nullable=False),
        Column("model", Text, nullable=False),
        Column("model_answered", Text),
        Column("kind", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("http_status", Integer),
        Column("error_class", Text),
        Column("finish_reason", Text),
        Column("input_tokens", BigInteger),
        Column("output_tokens", BigInteger),
        Column("cache_read_tokens", BigInteger),
        Column("cache_write_tokens", BigInteger),
        Column("reasoning_tokens", BigInteger),
        Column("cost_total_cents", Numeric),
        Column("currency", Text),
        Column("cost_source", Text),
        Column("latency_ms", Double),
        Column("time_to_first_token_ms", Double),
        Column("tags", ARRAY(Text), nullable=False),
        Column("tools", ARRAY(Text), nullable=False),
        Column("user_hash", Text),
        Column("session_id", Text),
        Column("parent_id", Uuid),
        Column("agent", Text),
        Column("flags", ARRAY(Text), nullable=False),
        Column("redactions", JSONB, nullable=False),
        Column("policy_version", Text, nullable=False),
        # The payload: either here, or an object of S3.
        Column("sealed", LargeBinary),
        Column("claim_object_key", Text),
        Column("claim_size_bytes", BigInteger),
        Column("claim_sha256", Text),
        Column("claim_key_id", Uuid),
        Column("review_state", Text, nullable=False, server_default="unreviewed"),
        Column("review_version", Integer, nullable=False, server_default="0"),
        Column("review_position", BigInteger, nullable=False, server_default="0"),
        Column("reviewed_by", Text),
        Column("reviewed_at", moment),
    ]


def decision_columns() -> list[Column[object]]:
    """One row per review decision; the state as of a position is the last one up to it."""
    return [
        Column("log_position", BigInteger, primary_key=True),
        Column("event_id", Uuid, nullable=False),
        Column("interaction_id", Uuid, nullable=False, index=True),
        Column("project", Text, nullable=False),
        Column("actor", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("previous_state", Text, nullable=False),
        Column("review_version", Integer, nullable=False),
        Column("reviewed_at", DateTime(timezone=True), nullable=False),
        Column("sealed_comment", LargeBinary),
    ]


def audit_columns() -> list[Column[object]]:
    """One row per thing a person did or was refused, in log order."""
    return [
        Column("log_position", BigInteger, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("actor", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("project", Text),
        Column("interaction_id", Uuid, index=True),
        Column("resource", Text),
        Column("details", JSONB, nullable=False),
    ]


def daily_columns() -> list[Column[object]]:
    """One row per UTC day, provider, model, project and currency. Averages are sum / count.

    The view shows sums of which no part is known as null.
    """
    return [
        Column("date", Date, primary_key=True),
        Column("provider", Text, primary_key=True),
        Column("model", Text, primary_key=True),
        Column("project", Text, primary_key=True),
        Column("currency", Text, primary_key=True),
        Column("calls", BigInteger, nullable=False),
        Column("errors", BigInteger, nullable=False),
        # A sum of 64-bit integers may need more than 64 bits.
        Column("input_tokens", Numeric, nullable=False),
        Column("output_tokens", Numeric, nullable=False),
        Column("unknown_usage_count", BigInteger, nullable=False),
        Column("cost_total_cents", Numeric, nullable=False),
        Column("unknown_cost_count", BigInteger, nullable=False),
        Column("latency_ms_sum", Numeric, nullable=False),
        Column("latency_count", BigInteger, nullable=False),
    ]


_review = MetaData(schema="review")
interactions = Table(INTERACTION_VIEW, _review, *interaction_columns())
decisions = Table(DECISION_VIEW, _review, *decision_columns())
audit = Table(AUDIT_VIEW, _review, *audit_columns())
review_position = Table("position", _review, Column("position", BigInteger))
"""One row: the log position that review's views stand at."""
daily = Table(DAILY_VIEW, MetaData(schema="rollup"), *daily_columns())


def claim_of(row: Row[Any]) -> Claim | None:
    """The object that holds the sealed payload of a row of the interactions view, if one does."""
    if row.claim_object_key is None:
        return None
    return Claim(
        object_key=row.claim_object_key,
        size_bytes=row.claim_size_bytes,
        sha256=row.claim_sha256,
        key_id=row.claim_key_id,
    )


def payload_key_id(row: Row[Any]) -> UUID:
    """Which data key opens the payload of a row of the interactions view, wherever it is."""
    claim = claim_of(row)
    return cipher.key_id_of(row.sealed) if claim is None else claim.key_id


def payload_binding(row: Row[Any]) -> bytes:
    """What the sealed payload of a row of the interactions view is bound to."""
    return binding.payload(
        project=row.project,
        event_id=row.id,
        time=row.occurred_at,
        user_hash=row.user_hash,
        policy_version=row.policy_version,
    ).encode()


def comment_binding(row: Row[Any]) -> bytes:
    """What the sealed comment of a row of the decisions view is bound to."""
    return binding.comment(
        project=row.project, event_id=row.event_id, time=row.reviewed_at
    ).encode()
