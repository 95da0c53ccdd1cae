"""Amazon Bedrock: Converse, and the bodies of its own and Meta's models when invoked directly.

Bodies of Anthropic, Cohere and OpenAI-like models are recognized as theirs before they get here.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. `inputTokens`
excludes what was read from and written to the cache.
"""

from collections.abc import Iterator

from sealbook.contract.documents import JsonValue
from sealbook.contract.usage import Usage
from services.ingest.normalize.buckets import plus
from services.ingest.normalize.exchange import Exchange, Kind, Normalized, ToolCall
from services.ingest.normalize.invocation import METRICS
from services.ingest.normalize.kinds import kind_asked
from services.ingest.normalize.mapping import normalized
from services.ingest.normalize.reading import (
    Fields,
    as_count,
    as_list,
    as_object,
    as_text,
    first_count,
    first_object,
    first_text,
    head,
)
from services.ingest.normalize.texts import lines, said
from services.ingest.normalize.tools import calls, last_turn

_OWN = ("inputTextTokenCount", "generation", "generation_token_count", METRICS, "stopReason")


def recognizes(body: Fields) -> bool:
    """Whether this is an answer of Converse, Nova, Titan, Llama or Mistral on Bedrock."""
    return (
        any(name in body for name in _OWN)
        or "message" in as_object(body.get("output"))
        or "outputText" in head(body.get("results"))
        or "stop_reason" in head(body.get("outputs"))
    )


def normalize(exchange: Exchange) -> Normalized:
    """Converse (Nova answers alike when invoked), else an invoked model's body."""
    body = as_object(exchange.response)
    message = as_object(as_object(body.get("output")).get("message"))
    content = [as_object(block) for block in as_list(message.get("content"))]
    results = _results(body)
    return normalized(
        exchange,
        _kind(exchange, body),
        model_answered=as_text(body.get("model")),
        response_text=said(message.get("content")) or lines([_text(result) for result in results]),
        usage=bedrock_usage(body, results),
        tools=(*_answered(exchange.request), *calls(_asked(content))),
        finish_reason=_finish_reason(body, results),
    )


def bedrock_usage(body: Fields, results: list[Fields]) -> Usage:
    """The buckets in `usage`, or in the fields Titan and Llama have."""
    report = {**first_object(body, "usage"), **body}
    return Usage(
        input=first_count(report, "inputTokens", "inputTextTokenCount", "prompt_token_count"),
        cache_read=first_count(report, "cacheReadInputTokens"),
        cache_write=first_count(report, "cacheWriteInputTokens"),
        output=_output(report, results),
    )


def _output(report: Fields, results: list[Fields]) -> int | None:
    titan = plus(*(as_count(result.get("tokenCount")) for result in results))
    counted = first_count(
        report, "outputTokens", "generation_token_count", "totalOutputTextTokenCount"
    )
    return titan if titan is not None else counted


def _kind(exchange: Exchange, body: Fields) -> Kind:
    if "embedding" in body or "embeddingsByType" in body:
        return "embedding"
    return "image" if "images" in body else kind_asked(exchange.request)


def _results(body: Fields) -> list[Fields]:
    """Titan's `results`, Mistral's `outputs`; Llama and Titan's stream answer at the top."""
    listed = as_list(body.get("results")) or as_list(body.get("outputs"))
    return [as_object(item) for item in listed] or [body]


def _text(result: Fields) -> str | None:
    return first_text(result, "outputText", "generation", "text")


def _finish_reason(body: Fields, results: list[Fields]) -> str | None:
    return first_text(body, "stopReason") or first_text(
        results[0], "completionReason", "stop_reason"
    )


def _asked(content: list[Fields]) -> Iterator[str | None]:
    for block in content:
        yield as_text(as_object(block.get("toolUse")).get("name"))


def _answered(request: JsonValue) -> Iterator[ToolCall]:
    """Calls of the last model turn whose results this request brings; `status` is optional."""
    turn, after = last_turn(as_object(request).get("messages"), "assistant", "content")
    results = {
        as_text(result.get("toolUseId")): result["status"] == "success"
        for block in after
        if (result := as_object(block.get("toolResult"))).get("status") in ("success", "error")
    }
    for block in turn if results else ():
        call = as_object(block.get("toolUse"))
        name, call_id = as_text(call.get("name")), as_text(call.get("toolUseId"))
        if name and call_id in results:
            yield ToolCall(name, results[call_id], earlier=True)
