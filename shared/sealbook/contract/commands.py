"""The bodies of commands and of export jobs. Unknown fields are refused by name."""

from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sealbook.contract.documents import parse
from sealbook.contract.events import ReviewState
from sealbook.contract.filters import Filter
from sealbook.contract.submission import explain
from sealbook.errors import InvalidInput

MAX_REVIEW_IDS = 1000


class Command(BaseModel):
    """What all commands share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """The command in a message body. Raises InvalidInput naming what does not fit."""
        document = parse(body) if body else {}
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidInput(
                f"The request does not fit: {explain(error)}.",
                remedy="docs/commands.md lists the fields of every verb.",
            ) from None


class Review(Command):
    """`review`: decide about one or many interactions, by id or by filter."""

    ids: Annotated[tuple[UUID, ...], Field(max_length=MAX_REVIEW_IDS)] = ()
    filter: Filter | None = None
    state: ReviewState
    comment: Annotated[str, Field(max_length=10_000)] | None = None
    expected_version: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.ids) == (self.filter is not None):
            raise ValueError("give either `ids` or `filter`")
        if self.expected_version is not None and len(self.ids) != 1:
            raise ValueError("`expected_version` goes with exactly one id")
        return self


class Open(Command):
    """`interaction.show` and, with its payload unsealed, `interaction.open`: one interaction."""

    id: UUID


class ListInteractions(Command):
    """`interaction.list`: one page, newest first; `before` is the last page's `next`."""

    filter: Filter = Filter()
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    before: Annotated[int, Field(ge=1, le=2**53)] | None = None


class ListAudit(Command):
    """`audit.list`: who did what, newest first; `before` is the last page's `next`."""

    interaction_id: UUID | None = None
    actor: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Annotated[int, Field(ge=1, le=2**53)] | None = None


class QueryRollup(Command):
    """`rollup.query`: sums by the given dimensions."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    since: date | None = Field(default=None, alias="from")
    until: date | None = Field(default=None, alias="to")
    by: tuple[Literal["day", "provider", "model", "project"], ...] = (
        "day",
        "provider",
        "model",
        "project",
    )


class Rebuild(Command):
    """`projection.rebuild`: build anew beside the live tables and swap."""

    projection: Literal["review", "rollup", "export"]
    accept_difference: bool = False


class QuarantineQuery(Command):
    """`quarantine.list` and `quarantine.retry`; without ids all of them."""

    ids: tuple[Annotated[int, Field(ge=1, le=2**53)], ...] = ()
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class ListPolicies(Command):
    """`policy.list`: both policies in force, their version, and who changed them when."""


class PutPolicy(Command):
    """`policy.put`: replace a policy as a whole. With `expected_version` only if that one is in
    force; `dry_run` validates and changes nothing."""

    name: Literal["redaction", "pricing"]
    document: dict[str, Any]
    expected_version: Annotated[str, Field(max_length=64)] | None = None
    dry_run: bool = False


class ImportRules(Command):
    """`policy.import`: add the rules of a gitleaks file (TOML, as text) to the redaction policy."""

    gitleaks: Annotated[str, Field(max_length=2_000_000)]
    dry_run: bool = False


class TestRules(Command):
    """`policy.test`: what the redaction policy in force, or the given one, masks in a text."""

    __test__ = False  # no test of pytest's, whatever its name

    text: Annotated[str, Field(max_length=1_000_000)]
    document: dict[str, Any] | None = None


class ListKeys(Command):
    """`keys.list`: the active key-encryption key, data keys by it, and the last rotations."""


class RotateKeys(Command):
    """`keys.rotate`: wrap all data keys under the active key-encryption key. With `kek_id` only if
    that one is active: a service may not have it yet."""

    kek_id: Annotated[str, Field(max_length=512)] | None = None


class ExportCommand(Command):
    """`export.cancel`, `export.show` and `export.download`: one job."""

    job_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ListExports(Command):
    """`export.list`: one page, newest first; `before` is the last page's `next`."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    before: Annotated[int, Field(ge=1, le=2**53)] | None = None


def _other_names(value: Any) -> Any:
    return (
        {"jsonl": "ndjson", "excel": "xlsx"}.get(value, value) if isinstance(value, str) else value
    )


class ExportRequest(Command):
    """What file is wanted. `as_of` fixes the log position; left out, it is that at acceptance."""

    name: Annotated[str, Field(max_length=128)] | None = None
    table: Literal["interactions"] = "interactions"
    format: Annotated[Literal["csv", "ndjson"], BeforeValidator(_other_names)] = "csv"
    filter: Filter = Filter()
    columns: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    limit: Annotated[int, Field(ge=1, le=2**53)] | None = None
    compression: Literal["none"] = "none"
    payloads: bool = True
    as_of: Annotated[int, Field(ge=0, le=2**53)] | None = None
    idempotency_key: Annotated[str, Field(max_length=128)] | None = None
