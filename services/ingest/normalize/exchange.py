"""The two shapes of this room: one provider exchange as it came, and its normalized form."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sealbook.contract.documents import JsonValue
from sealbook.contract.usage import Usage

Kind: TypeAlias = Literal[
    "chat", "completion", "embedding", "image", "audio", "moderation", "rerank", "other"
]
Status: TypeAlias = Literal["success", "error", "canceled"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer: provider JSON, a list of stream chunks, or raw stream text."""

    provider: str
    request: JsonValue = None
    response: JsonValue = None
    response_stream: str | None = None
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call; `ok` is None until a message says how the call went."""

    name: str
    ok: bool | None = None


@dataclass(frozen=True, slots=True)
class Normalized:
    """What every provider's exchange has in common; None means the provider did not say."""

    kind: Kind = "other"
    model_asked: str | None = None
    model_answered: str | None = None
    request_text: str | None = None
    response_text: str | None = None
    usage: Usage = field(default_factory=Usage)
    tools: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    status: Status = "success"
    error_class: str | None = None
    error_message: str | None = None
    response: JsonValue = None
