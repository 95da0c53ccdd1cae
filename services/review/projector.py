"""The projection `review`: interactions with their state, decisions, the audit trail."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    DateTime,
    Integer,
    Text,
    Uuid,
    bindparam,
    insert,
    text,
)
from sqlalchemy.sql.elements import TextClause

from sealbook.contract.events import InteractionRecorded, InteractionReviewed
from sealbook.projection.copying import copy_rows
from sealbook.projection.projector import Placed
from services.review.rows import (
    INTERACTION_COLUMNS,
    decision_row,
    interaction_row,
)
from services.review.tables import VIEWS, audit, decision, metadata
from services.review.trail import audit_row


class ReviewProjector:
    """A `Projector`."""

    name = "review"
    version = 2
    # Every event: so its checkpoint can reach any position, and exports can wait for one.
    event_types = ("*.*",)
    tables = metadata
    views = VIEWS

    def apply(self, batch: Sequence[Placed], connection: Connection) -> None:
        recorded = [
            interaction_row(placed, placed.event)
            for placed in batch
            if isinstance(placed.event, InteractionRecorded)
        ]
        if recorded:
            copy_rows(connection, "interaction", INTERACTION_COLUMNS, recorded)
        decisions = [
            decision_row(placed, placed.event)
            for placed in batch
            if isinstance(placed.event, InteractionReviewed)
        ]
        if decisions:
            connection.execute(insert(decision), decisions)
            _set_states(connection, decisions)
        trail = [row for placed in batch if (row := audit_row(placed.position, placed.event))]
        if trail:
            connection.execute(insert(audit), trail)


def _set_states(connection: Connection, decisions: Sequence[dict[str, Any]]) -> None:
    """The last decision of the batch about each interaction is its state now."""
    last = {row["interaction_id"]: row for row in decisions}
    names = ("interaction_id", "state", "review_version", "log_position", "actor", "reviewed_at")
    columns = {name: [row[name] for row in last.values()] for name in names}
    connection.execute(_SET_STATES, columns)


def _array(name: str, of: Any) -> Any:
    return bindparam(name, type_=ARRAY(of))


_SET_STATES: TextClause = text(
    """
    UPDATE interaction SET review_state = d.state, review_version = d.review_version,
           review_position = d.log_position, reviewed_by = d.actor, reviewed_at = d.reviewed_at
      FROM unnest(:interaction_id, :state, :review_version, :log_position, :actor, :reviewed_at)
        AS d (interaction_id, state, review_version, log_position, actor, reviewed_at)
     WHERE interaction.id = d.interaction_id
    """
).bindparams(
    _array("interaction_id", Uuid),
    _array("state", Text),
    _array("review_version", Integer),
    _array("log_position", BigInteger),
    _array("actor", Text),
    _array("reviewed_at", DateTime(timezone=True)),
)
