"""What people decided about interactions."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from sealbook.contract.events.event import Event

ReviewState = Literal["unreviewed", "approved", "flagged", "rejected"]


class InteractionReviewed(Event):
    """A person's decision about an interaction; `review_version` counts them from 1."""

    type: ClassVar[str] = "interaction.reviewed"

    id: UUID
    interaction_id: UUID
    project: str
    actor: str
    state: ReviewState
    previous_state: ReviewState
    review_version: Annotated[int, Field(ge=1)]
    reviewed_at: datetime
    sealed: bytes | None = None

    @property
    def key(self) -> str:
        return str(self.interaction_id)
