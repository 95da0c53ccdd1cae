"""What happened with a model, and who read it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from sealbook.contract.events.event import Event
from sealbook.contract.submission import Status
from sealbook.contract.usage import Usage


class Cost(BaseModel):
    """A price in `currency` units (not cents); `source` names the rule or price list used."""

    model_config = ConfigDict(frozen=True)

    total: Decimal
    currency: str
    source: str


class ToolCall(BaseModel):
    """A tool the model asked for; `ok` is None until a later message tells."""

    model_config = ConfigDict(frozen=True)

    name: str
    ok: bool | None = None


class InteractionRecorded(Event):
    """One interaction, redacted, sealed and priced. Appended once per interaction id."""

    type: ClassVar[str] = "interaction.recorded"

    id: UUID
    project: str
    provider: str
    model: str
    model_answered: str | None = None
    kind: str
    status: Status
    http_status: int | None = None
    error_class: str | None = None
    finish_reason: str | None = None
    usage: Usage
    cost: Cost | None = None
    latency_ms: float | None = None
    time_to_first_token_ms: float | None = None
    tags: tuple[str, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    user_hash: str | None = None
    session_id: str | None = None
    parent_id: UUID | None = None
    agent: str | None = None
    occurred_at: datetime
    claimed_at: datetime | None = None
    flags: tuple[str, ...] = ()
    redactions: Annotated[dict[str, int], Field(default_factory=dict)]
    policy_version: str
    fingerprint: str
    sealed: bytes

    @property
    def key(self) -> str:
        return str(self.id)


class InteractionOpened(Event):
    """Somebody read an unsealed payload."""

    type: ClassVar[str] = "interaction.opened"

    id: UUID
    interaction_id: UUID
    project: str
    actor: str
    opened_at: datetime

    @property
    def key(self) -> str:
        return str(self.interaction_id)
