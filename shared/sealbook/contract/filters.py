"""The filter that is the same everywhere: bus, command line, HTTP, dashboard."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from sealbook.contract.events import ReviewState
from sealbook.contract.submission import Status


def _midnight_utc(value: Any) -> Any:
    """A bare date means the start of that day in UTC."""
    if isinstance(value, str) and len(value) == len("2026-01-01"):
        try:
            return datetime.combine(date.fromisoformat(value), time(), UTC)
        except ValueError:
            # Its message quotes the value.
            raise ValueError("is neither a date nor a time (RFC 3339)") from None
    return value


def _storable(value: str) -> str:
    if "\0" in value:
        raise ValueError("has a NUL character, which PostgreSQL refuses and no row contains")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_midnight_utc)]
Text = Annotated[str, Field(max_length=256), AfterValidator(_storable)]


class Filter(BaseModel):
    """Which interactions; all conditions hold together, none means all."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, protected_namespaces=()
    )

    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    provider: Text | None = None
    model: Text | None = None
    status: Status | None = None
    review_state: ReviewState | None = None
    tag: Text | None = None
    session_id: Text | None = None
    parent_id: UUID | None = None
    user: Text | None = None
    agent: Text | None = None
    tool: Text | None = None
    error_class: Text | None = None
    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = Field(default=None, alias="to")
    min_cost: Annotated[Decimal, Field(ge=0, max_digits=30)] | None = None
    min_latency_ms: Annotated[float, Field(ge=0)] | None = None
    redacted: Text | None = None

    @model_validator(mode="after")
    def _check(self) -> "Filter":
        if self.since and self.until and self.until < self.since:
            raise ValueError("`to` is before `from`")
        if self.user is not None and self.project is None:
            raise ValueError("`user` needs `project`: users are known per project")
        return self
