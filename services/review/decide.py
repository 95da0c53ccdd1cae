"""What a review command comes to, given the state an interaction is in. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sealbook.contract.commands import Review
from sealbook.contract.events import InteractionReviewed, ReviewState
from sealbook.contract.ids import new_id
from sealbook.errors import Conflict


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an interaction stands in review; `position` is its last decision's in the log."""

    interaction_id: UUID
    project: str
    partition: int
    state: ReviewState
    version: int
    position: int


def decide(standing: Standing, command: Review, actor: str, now: datetime) -> InteractionReviewed:
    """The event to append, without its comment.

    Raises:
        Conflict: the caller expected another version than the interaction has.
    """
    expected = command.expected_version
    if expected is not None and expected != standing.version:
        raise conflict(standing, expected)
    return InteractionReviewed(
        id=new_id(),
        interaction_id=standing.interaction_id,
        project=standing.project,
        actor=actor,
        state=command.state,
        previous_state=standing.state,
        review_version=standing.version + 1,
        reviewed_at=now,
    )


def conflict(standing: Standing, expected: int | None) -> Conflict:
    """Somebody else decided in the meantime."""
    looked_at = f", not {expected}" if expected is not None else ""
    return Conflict(
        f"Interaction {standing.interaction_id} is at review version {standing.version} "
        f"({standing.state}){looked_at}: somebody decided in the meantime.",
        remedy="Look at it again, then review it with its current version.",
    )
