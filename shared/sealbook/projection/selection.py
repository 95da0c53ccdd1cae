"""The filter as SQL conditions, the same for lists, reviews by filter and exports. Pure."""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause, and_, false, func, literal

from sealbook.contract.filters import Filter

_EQUAL = (
    "project",
    "provider",
    "status",
    "review_state",
    "session_id",
    "parent_id",
    "agent",
    "error_class",
)


def condition(wanted: Filter, view: FromClause, user_hash: str | None) -> ColumnElement[bool]:
    """Holds for the rows of an interactions view that the filter wants.

    `user_hash` stands for `wanted.user`: the hash needs the project's key, which is not ours.
    """
    return and_(literal(True), *_parts(wanted, view, user_hash))


def like(glob: str) -> str:
    """A LIKE pattern for a glob with `*` and `?`."""
    for special in ("\\", "%", "_"):
        glob = glob.replace(special, f"\\{special}")
    return glob.replace("*", "%").replace("?", "_")


def _parts(
    wanted: Filter, view: FromClause, user_hash: str | None
) -> Iterator[ColumnElement[bool]]:
    column = view.c
    for name in _EQUAL:
        value = getattr(wanted, name)
        if value is not None:
            yield column[name] == value
    if wanted.model is not None:
        yield column.model.like(like(wanted.model))
    if wanted.user is not None:
        yield column.user_hash == user_hash if user_hash else false()
    if wanted.tag is not None:
        yield column.tags.contains([wanted.tag])
    if wanted.tool is not None:
        yield column.tools.contains([wanted.tool])
    if wanted.redacted is not None:
        yield func.jsonb_exists(column.redactions, wanted.redacted)
    if wanted.since is not None:
        yield column.occurred_at >= wanted.since
    if wanted.until is not None:
        yield column.occurred_at < wanted.until
    if wanted.min_cost is not None:
        yield column.cost_total_cents >= wanted.min_cost * 100
    if wanted.min_latency_ms is not None:
        yield column.latency_ms >= wanted.min_latency_ms
