"""What review reads from its own published views."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, select

from sealbook.contract.commands import ListAudit, ListInteractions
from sealbook.contract.filters import Filter
from sealbook.errors import NotFound
from sealbook.projection.published import audit, decisions, interactions
from sealbook.projection.selection import condition
from services.review.decide import Standing

_HIDDEN = {"user_hash", "partition", "review_position"}
_PAYLOAD = {"sealed", "claim_object_key", "claim_size_bytes", "claim_sha256", "claim_key_id"}
_SHOWN = [column for column in interactions.c if column.name not in _HIDDEN | _PAYLOAD]


def standing(connection: Connection, interaction_id: UUID) -> Standing:
    """Where an interaction stands. Raises NotFound."""
    column = interactions.c
    row = connection.execute(
        select(
            column.project,
            column.partition,
            column.review_state,
            column.review_version,
            column.review_position,
        ).where(column.id == interaction_id)
    ).first()
    if row is None:
        raise _unknown(interaction_id)
    return Standing(
        interaction_id,
        row.project,
        row.partition,
        row.review_state,
        row.review_version,
        row.review_position,
    )


def whole(connection: Connection, interaction_id: UUID) -> Row[Any]:
    """An interaction's row with its sealed payload, or the claim to it. Raises NotFound."""
    row = connection.execute(select(interactions).where(interactions.c.id == interaction_id))
    found = row.first()
    if found is None:
        raise _unknown(interaction_id)
    return found


def clear(connection: Connection, interaction_id: UUID) -> dict[str, Any]:
    """An interaction's row without what is sealed or internal. Raises NotFound."""
    query = select(*_SHOWN).where(interactions.c.id == interaction_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise _unknown(interaction_id)
    return dict(row)


def decisions_about(connection: Connection, interaction_id: UUID) -> Sequence[Row[Any]]:
    """Its decisions, oldest first."""
    query = select(decisions).where(decisions.c.interaction_id == interaction_id)
    return connection.execute(query.order_by(decisions.c.log_position)).all()


def matching(
    connection: Connection,
    wanted: Filter,
    user_hash: str | None,
    projects: frozenset[str] | None,
    limit: int,
) -> list[UUID]:
    """Ids of the interactions a filter wants, oldest first, of these projects (None: all)."""
    query = select(interactions.c.id).where(condition(wanted, interactions, user_hash))
    if projects is not None:
        query = query.where(interactions.c.project.in_(projects))
    return list(
        connection.execute(query.order_by(interactions.c.log_position).limit(limit)).scalars()
    )


def page(
    connection: Connection,
    command: ListInteractions,
    user_hash: str | None,
    projects: frozenset[str] | None,
) -> list[dict[str, Any]]:
    """One page, newest first, of the projects the caller may see (None: all)."""
    query = select(*_SHOWN).where(condition(command.filter, interactions, user_hash))
    if projects is not None:
        query = query.where(interactions.c.project.in_(projects))
    if command.before is not None:
        query = query.where(interactions.c.log_position < command.before)
    return _dicts(connection, query.order_by(interactions.c.log_position.desc()), command.limit)


def trail(connection: Connection, command: ListAudit) -> list[dict[str, Any]]:
    """One page of the audit trail, newest first."""
    query = select(audit)
    if command.interaction_id is not None:
        query = query.where(audit.c.interaction_id == command.interaction_id)
    if command.actor is not None:
        query = query.where(audit.c.actor == command.actor)
    if command.before is not None:
        query = query.where(audit.c.log_position < command.before)
    return _dicts(connection, query.order_by(audit.c.log_position.desc()), command.limit)


def _dicts(connection: Connection, query: Select[Any], limit: int) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query.limit(limit)).mappings()]


def _unknown(interaction_id: UUID) -> NotFound:
    return NotFound(
        f"There is no interaction {interaction_id}.",
        remedy="Check the id; one recorded a moment ago may need a second to appear.",
    )
