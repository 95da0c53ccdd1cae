"""An export job: its identity, its object key, its request as canonical bytes. Pure."""

import hashlib
from dataclasses import dataclass

from sealbook.contract.commands import ExportRequest
from sealbook.contract.documents import JsonValue, canonical


@dataclass(frozen=True, slots=True)
class Job:
    """A request by an actor at a fixed log position."""

    actor: str
    request: ExportRequest
    projects: frozenset[str] | None = None
    """Which the actor could export when it asked; None means all."""

    @property
    def id(self) -> str:
        """The same for the same request by the same actor at the same position; an idempotency
        key stands for all of it."""
        key = self.request.idempotency_key
        content: list[JsonValue] = [self.actor, key if key is not None else _document(self.request)]
        if self.projects is not None:
            content.extend(sorted(self.projects))
        return hashlib.sha256(canonical(content)).hexdigest()[:32]

    @property
    def position(self) -> int:
        assert self.request.as_of is not None  # noqa: S101 only resolved requests become jobs
        return self.request.as_of

    @property
    def object_key(self) -> str:
        return f"exports/{self.id}/sealbook-{self.request.table}.{self.request.format}"

    def asks_the_same_as(self, other: "Job") -> bool:
        """Whether both want the same file, whatever the position."""
        anywhere = {"as_of": None}
        return self.request.model_copy(update=anywhere) == other.request.model_copy(update=anywhere)

    def request_body(self) -> bytes:
        """The request, to be sealed or sent."""
        return canonical(_document(self.request))


def _document(request: ExportRequest) -> dict[str, JsonValue]:
    return request.model_dump(mode="json", by_alias=True, exclude_defaults=True)
