"""The life of an export job."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sealbook.contract.events.event import Event


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
