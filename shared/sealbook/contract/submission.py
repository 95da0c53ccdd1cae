"""What an application sends: one interaction with a model, as it happened."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)

from sealbook.contract.documents import JsonValue
from sealbook.contract.usage import Usage
from sealbook.errors import InvalidInput

MAX_LABEL_CHARS = 256
MAX_TAGS = 64

Status = Literal["success", "error", "canceled"]


def _few(tags: list[str]) -> list[str]:
    return tags[:MAX_TAGS]


def _version_7(value: UUID) -> UUID:
    if value.version != 7:
        raise ValueError(f"must be a UUID of version 7, not {value.version}")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        # PostgreSQL would take it, and no reader could read the row.
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


# Free labels are data only, never part of a subject or key: ingest cuts long ones, and only after
# it masked them, since half an address would not be recognized.
Label = str
Tokens = Annotated[int, Field(ge=0, le=2**53, strict=True)]
Milliseconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
InteractionId = Annotated[UUID, AfterValidator(_version_7)]


class UsageClaim(BaseModel):
    """The `usage` of a submission: disjoint buckets, see `Usage`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Tokens | None = None
    cache_read: Tokens | None = None
    cache_write: Tokens | None = None
    output: Tokens | None = None
    reasoning: Tokens | None = None
    audio_input: Tokens | None = None
    audio_output: Tokens | None = None

    def buckets(self) -> Usage:
        """As the value the rest of the program works with."""
        return Usage(**self.model_dump())


class Submission(BaseModel):
    """One interaction as its application reports it; what is left out is derived where possible."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    id: InteractionId | None = None
    project: str | None = None
    provider: Label | None = None
    model: Label | None = None
    request: Any = None
    response: Any = None
    response_stream: str | None = None
    request_text: str | None = None
    response_text: str | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    usage: UsageClaim | None = None
    cost: Annotated[Decimal, Field(ge=0, max_digits=20, allow_inf_nan=False)] | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    latency_ms: Milliseconds | None = None
    time_to_first_token_ms: Milliseconds | None = None
    status: Status | None = None
    http_status: Annotated[int, Field(ge=100, le=599, strict=True)] | None = None
    error_class: Label | None = None
    error_message: str | None = None
    tags: Annotated[list[Label], AfterValidator(_few)] = []
    metadata: dict[str, Any] = {}
    user: str | None = None
    session_id: Label | None = None
    parent_id: UUID | None = None
    agent: Label | None = None
    occurred_at: Moment | None = None

    @classmethod
    def read(cls, document: JsonValue) -> "Submission":
        """The submission in a parsed document.

        Raises:
            InvalidInput: naming each field that does not fit, and never its value.
        """
        if not isinstance(document, dict):
            raise InvalidInput(
                f"A submission is a JSON object, not {_json_type(document)}.",
                remedy="Send one object per message.",
            )
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidInput(
                f"The submission does not fit: {explain(error)}.",
                remedy="Correct or remove these fields; docs/submission.md lists all of them.",
            ) from None

    def document(self) -> dict[str, Any]:
        """As it goes on the bus: only what was said."""
        return self.model_dump(mode="json", exclude_unset=True)


def explain(error: ValidationError) -> str:
    """Which fields do not fit and why, without the values that were sent."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"`{'.'.join(str(part) for part in problem['loc']) or 'the whole'}`: "
        + ("unknown field" if problem["type"] == "extra_forbidden" else problem["msg"])
        for problem in problems[:10]
    )


def _json_type(document: JsonValue) -> str:
    names = {type(None): "null", bool: "a boolean", list: "an array", str: "a string"}
    return names.get(type(document), "a number")
