"""What operators did, and what somebody was not allowed to do."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sealbook.contract.events.event import Event


class AccessRefused(Event):
    """The policy said no; `resource` names a project, an interaction id or a projection."""

    type: ClassVar[str] = "access.refused"

    id: UUID
    actor: str
    action: str
    project: str | None = None
    resource: str | None = None
    refused_at: datetime

    @property
    def key(self) -> str:
        return str(self.id)


class ProjectionRebuilt(Event):
    """A projection was built anew from the log and now serves."""

    type: ClassVar[str] = "projection.rebuilt"

    id: UUID
    projection: str
    actor: str
    generation: int
    position: int
    digest: str
    rebuilt_at: datetime

    @property
    def key(self) -> str:
        return self.projection
