"""The events of the log, in their newest shape. What they carry in clear is what is filtered and
summed; all else is in `sealed`. Types are past tense; a change of shape is a new version and an
upcaster (see `upcasting`)."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from sealbook.contract.submission import Status
from sealbook.contract.usage import Usage

ReviewState = Literal["unreviewed", "approved", "flagged", "rejected"]


class Event(BaseModel):
    """What all events share. Bytes travel as base64url (RFC 4648, section 5)."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        protected_namespaces=(),
    )
    type: ClassVar[str]
    version: ClassVar[int] = 1

    @property
    def key(self) -> str:
        """The last token of its subject."""
        raise NotImplementedError


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
    redactions: dict[str, int] = {}
    policy_version: str
    fingerprint: str
    sealed: bytes

    @property
    def key(self) -> str:
        return str(self.id)


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


class ExportRequested(Event):
    """An export job was accepted; the request itself is sealed, since a filter may name a user."""

    type: ClassVar[str] = "export.requested"

    id: UUID
    job_id: str
    actor: str
    project: str | None = None
    projects: tuple[str, ...] | None = None
    table: str
    format: str
    position: int
    requested_at: datetime
    sealed: bytes

    @property
    def key(self) -> str:
        return self.job_id


class ExportCompleted(Event):
    """The file stands under `object_key`, whole."""

    type: ClassVar[str] = "export.completed"

    id: UUID
    job_id: str
    actor: str
    object_key: str
    position: int
    rows: int
    size_bytes: int
    sha256: str
    truncated: bool = False
    completed_at: datetime

    @property
    def key(self) -> str:
        return self.job_id


class ExportFailed(Event):
    """The job ended without a file; `error_code` is a `SealbookError.code`. Sealed: the request as
    it came, and the whole message."""

    type: ClassVar[str] = "export.failed"

    id: UUID
    job_id: str
    actor: str
    error_code: str
    retryable: bool
    failed_at: datetime
    sealed: bytes | None = None

    @property
    def key(self) -> str:
        return self.job_id


class ExportCancelled(Event):
    """Its owner or an administrator called the job off before it was complete."""

    type: ClassVar[str] = "export.cancelled"

    id: UUID
    job_id: str
    actor: str
    cancelled_at: datetime

    @property
    def key(self) -> str:
        return self.job_id


class DownloadIssued(Event):
    """Somebody got a link to the file."""

    type: ClassVar[str] = "download.issued"

    id: UUID
    job_id: str
    actor: str
    issued_at: datetime

    @property
    def key(self) -> str:
        return self.job_id


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


EVENT_TYPES: dict[str, type[Event]] = {
    event.type: event
    for event in (
        InteractionRecorded,
        InteractionReviewed,
        InteractionOpened,
        AccessRefused,
        ExportRequested,
        ExportCompleted,
        ExportFailed,
        ExportCancelled,
        DownloadIssued,
        ProjectionRebuilt,
    )
}
