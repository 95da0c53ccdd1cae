"""The rows of an export as one statement: at one log position, in one order. Pure."""

from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, func, select, true

from sealbook.projection.published import decisions, interactions
from sealbook.projection.selection import condition
from services.export.columns import REVIEW
from services.export.job import Job


def statement(job: Job, user_hash: str | None) -> Select[Any]:
    """Every row the request wants, oldest first, as things stood at the job's position."""
    view = _as_of(job.position)
    query = (
        select(view)
        .where(view.c.log_position <= job.position, condition(job.request.filter, view, user_hash))
        .order_by(view.c.log_position)
    )
    if job.projects is not None:
        query = query.where(view.c.project.in_(sorted(job.projects)))
    if job.request.limit is not None:
        query = query.limit(job.request.limit + 1)  # one more tells that the file is truncated
    return query


def newest_position(until: int) -> Select[Any]:
    """The position, up to `until`, of the last event that changed what an export shows."""
    return select(
        func.greatest(*(_last(view.c.log_position, until) for view in (interactions, decisions)))
    )


def _last(position: ColumnElement[Any], until: int) -> ColumnElement[Any]:
    newest = select(func.max(position)).where(position <= until).scalar_subquery()
    return func.coalesce(newest, 0)


def _as_of(position: int) -> Subquery:
    """The interactions with the last decision up to the position, not the current one."""
    past = (
        select(
            decisions.c.state.label("review_state"),
            decisions.c.actor.label("reviewed_by"),
            decisions.c.reviewed_at,
        )
        .where(
            decisions.c.interaction_id == interactions.c.id, decisions.c.log_position <= position
        )
        .order_by(decisions.c.log_position.desc())
        .limit(1)
        .lateral("past")
    )
    kept = [column for column in interactions.c if column.name not in REVIEW]
    reviewed = [
        func.coalesce(past.c.review_state, "unreviewed").label("review_state"),
        past.c.reviewed_by,
        past.c.reviewed_at,
    ]
    return select(*kept, *reviewed).join(past, true(), isouter=True).subquery("as_of")
