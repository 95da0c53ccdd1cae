"""The two shapes of this room: one provider exchange as it came, and its normalized form."""

from dataclasses import dataclass, field
from decimal import Decimal
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
    """A tool call; `ok` is None until a message says how the call went.

    `earlier`: it was asked for in an exchange before, this one's request brings its result.
    """

    name: str
    ok: bool | None = None
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Normalized:
    """What every provider's exchange has in common; None means the provider did not say.

    Times are the provider's own, in milliseconds; `cost` is what it says it charged, in US dollars.
    `cache_write_1h` is the part of `usage.cache_write` that is kept for an hour and costs more.
    """

    kind: Kind = "other"
    model_asked: str | None = None
    model_answered: str | None = None
    request_text: str | None = None
    response_text: str | None = None
    usage: Usage = field(default_factory=Usage)
    cache_write_1h: int | None = None
    tools: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    stop_cause: str | None = None
    latency_ms: float | None = None
    time_to_first_token_ms: float | None = None
    service_tier: str | None = None
    cost: Decimal | None = None
    status: Status = "success"
    error_class: str | None = None
    error_message: str | None = None
    response: JsonValue = None
