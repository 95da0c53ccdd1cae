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


class PolicyChanged(Event):
    """The redaction rules or own prices were replaced; every policy starts as the built-in one.
    Sealed: the document, since a pattern may name what it is to hide."""

    type: ClassVar[str] = "policy.changed"

    id: UUID
    name: str
    policy_version: str
    actor: str
    changed_at: datetime
    sealed: bytes

    @property
    def key(self) -> str:
        return self.name


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


class RotationStarted(Event):
    """Data keys are to be wrapped under another key-encryption key; no event is touched by it."""

    type: ClassVar[str] = "rotation.started"

    id: UUID
    actor: str
    kek_id: str
    keys: int
    started_at: datetime

    @property
    def key(self) -> str:
        return str(self.id)


class RotationCompleted(Event):
    """A rotation ended. `remaining` counts data keys that could not be unwrapped, or that a newer
    rotation took over."""

    type: ClassVar[str] = "rotation.completed"

    id: UUID
    actor: str
    kek_id: str
    rewrapped: int
    remaining: int
    completed_at: datetime

    @property
    def key(self) -> str:
        return str(self.id)
