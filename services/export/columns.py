"""The columns of an interactions export: in which order, from where, sealed or clear. Pure."""

from sealbook.errors import InvalidInput

DEFAULT = (
    "timestamp",
    "project",
    "provider",
    "model",
    "status",
    "input_tokens",
    "output_tokens",
    "cost_total_cents",
    "tags",
    "request_payload",
    "response_payload",
    "metadata",
)

CLEAR = {
    "timestamp": "occurred_at",
    "project": "project",
    "provider": "provider",
    "model": "model",
    "status": "status",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cost_total_cents": "cost_total_cents",
    "tags": "tags",
    "id": "id",
    "session_id": "session_id",
    "parent_id": "parent_id",
    "agent": "agent",
    "latency_ms": "latency_ms",
    "time_to_first_token_ms": "time_to_first_token_ms",
    "http_status": "http_status",
    "error_class": "error_class",
    "review_state": "review_state",
    "reviewed_by": "reviewed_by",
    "reviewed_at": "reviewed_at",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "reasoning_tokens": "reasoning_tokens",
    "currency": "currency",
    "tools": "tools",
    "redactions": "redactions",
    "policy_version": "policy_version",
    "log_position": "log_position",
}
"""Column → the view's column."""

SEALED = (
    "request_payload",
    "response_payload",
    "metadata",
    "user",
    "error_message",
    "request_text",
    "response_text",
)
"""Columns that need the payload unsealed."""

REVIEW = ("review_state", "reviewed_by", "reviewed_at")


def chosen(names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of a file. Raises InvalidInput naming those that do not exist."""
    unknown = [name for name in names if name not in CLEAR and name not in SEALED]
    if unknown:
        raise InvalidInput(
            f"There is no column {', '.join(repr(name[:64]) for name in unknown[:5])}.",
            remedy=f"Columns are: {', '.join((*CLEAR, *SEALED))}.",
        )
    if len(set(names)) != len(names):
        raise InvalidInput("A column is named twice.", remedy="Name each column once.")
    return names or DEFAULT
