"""Anthropic: messages with thinking, tools and prompt caching; and the legacy text completions.

https://docs.anthropic.com/en/api/messages. `input_tokens` already excludes what was read from and
written to the cache; `output_tokens` includes thinking, which is not reported apart.
"""

from collections.abc import Iterator

from sealbook.contract.documents import JsonValue
from sealbook.contract.usage import Usage
from services.ingest.normalize.buckets import plus
from services.ingest.normalize.exchange import Exchange, Normalized, ToolCall
from services.ingest.normalize.kinds import kind_asked
from services.ingest.normalize.mapping import UNKNOWN, normalized
from services.ingest.normalize.reading import (
    Fields,
    as_count,
    as_list,
    as_name,
    as_object,
    as_text,
    first_count,
    first_object,
)
from services.ingest.normalize.texts import said
from services.ingest.normalize.tools import last_turn

_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")


def recognizes(body: Fields) -> bool:
    """Whether this is a message, a legacy completion or one of their errors."""
    kind = body.get("type")
    return (
        (kind == "message" and "content" in body)
        or (kind == "completion" and "completion" in body)
        or (kind == "error" and "error" in body)
    )


def normalize(exchange: Exchange) -> Normalized:
    """A message or a legacy completion."""
    body = as_object(exchange.response)
    content = [as_object(block) for block in as_list(body.get("content"))]
    return normalized(
        exchange,
        kind_asked(exchange.request),
        model_answered=as_text(body.get("model")),
        response_text=_answer(body, content),
        usage=anthropic_usage(body.get("usage")),
        cache_write_1h=_cache_write_1h(as_object(body.get("usage"))),
        tools=(*_answered(exchange.request), *_asked(content)),
        finish_reason=as_text(body.get("stop_reason")),
        stop_cause=as_name(as_object(body.get("stop_details")).get("category")),
    )


def anthropic_usage(report: JsonValue) -> Usage:
    """The buckets of a `usage` object."""
    if not isinstance(report, dict) or not report:
        return UNKNOWN
    return Usage(
        input=as_count(report.get("input_tokens")),
        cache_read=as_count(report.get("cache_read_input_tokens")),
        cache_write=_cache_write(report),
        output=as_count(report.get("output_tokens")),
    )


def _cache_write(report: Fields) -> int | None:
    total = first_count(report, "cache_creation_input_tokens")
    if total is not None:
        return total
    by_lifetime = first_object(report, "cache_creation")
    return plus(
        as_count(by_lifetime.get("ephemeral_5m_input_tokens")),
        as_count(by_lifetime.get("ephemeral_1h_input_tokens")),
    )


def _cache_write_1h(report: Fields) -> int | None:
    by_lifetime = report.get("cache_creation")
    if not isinstance(by_lifetime, dict):
        return None
    return as_count(by_lifetime.get("ephemeral_1h_input_tokens"))


def _answer(body: Fields, content: list[Fields]) -> str | None:
    # Only text blocks: results of Anthropic's own tools are blocks of the answer too.
    text = said([block.get("text") for block in content if block.get("type") == "text"])
    return text or as_text(body.get("completion"))


def _asked(content: list[Fields]) -> Iterator[ToolCall]:
    """Calls in the answer; those Anthropic runs itself have their result beside them."""
    results = _results(content)
    for block in content:
        if block.get("type") in _CALLS and (name := as_text(block.get("name"))):
            yield ToolCall(name, results.get(as_text(block.get("id"))))


def _answered(request: JsonValue) -> Iterator[ToolCall]:
    """Calls of the last model turn whose results this request brings."""
    turn, after = last_turn(as_object(request).get("messages"), "assistant", "content")
    results = _results(after)
    for block in turn if results else ():
        call, name = as_text(block.get("id")), as_text(block.get("name"))
        if call in results and name and block.get("type") == "tool_use":
            yield ToolCall(name, results[call], earlier=True)


def _results(content: list[Fields]) -> dict[str | None, bool]:
    return {
        call: not _failed(block)
        for block in content
        if (call := as_text(block.get("tool_use_id"))) is not None
    }


def _failed(result: Fields) -> bool:
    """Client and MCP tools have `is_error`; server tools answer with a block typed "…_error"."""
    kind = as_object(result.get("content")).get("type")
    return result.get("is_error") is True or (isinstance(kind, str) and kind.endswith("_error"))
