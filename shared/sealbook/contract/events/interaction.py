"""What happened with a model, and who read it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
    """A tool the model asked for; `ok` is None where nothing tells how it went. `earlier`: asked
    for in an interaction before, whose event lists it too; this request brought the result."""

    model_config = ConfigDict(frozen=True)

    name: str
    ok: bool | None = None
    earlier: bool = False


class Claim(BaseModel):
    """Sealed bytes that are too many for the log: an object of S3, its size and SHA-256 (hex), and
    the data key it is sealed under. Destroying that key erases it, wherever copies are."""

    model_config = ConfigDict(frozen=True)

    object_key: str
    size_bytes: int
    sha256: str
    key_id: UUID


class InteractionRecorded(Event):
    """One interaction, redacted, sealed and priced. Appended once per interaction id. Its payload
    is either in it, `sealed`, or is an object that `claim` names."""

    type: ClassVar[str] = "interaction.recorded"
    version: ClassVar[int] = 2

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
    stop_cause: str | None = None
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
    sealed: bytes | None = None
    claim: Claim | None = None

    @model_validator(mode="after")
    def _has_one_payload(self) -> Self:
        if (self.sealed is None) == (self.claim is None):
            raise ValueError("a payload is either in the event or claimed by it")
        return self

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
