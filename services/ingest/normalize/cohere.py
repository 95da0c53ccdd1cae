"""Cohere: chat v1 and v2, generate, rerank, embed; also their bodies on Bedrock, without usage.

https://docs.cohere.com/reference. Two counts are reported. `tokens` is what the model read and
wrote, with the tokens of Cohere's own prompt template, up to twenty times the prompt;
`billed_units` is what Cohere charges for. `billed_units` is taken: what an interaction costs, and
what can be reconciled with the bill, must come from it. `tokens` only where it is all there is;
`cached_tokens` is a part of `tokens`, so it says nothing about the billed ones.

Searches (rerank) and pictures (embed) are units of their own and no tokens: such usage is unknown.
"""

from sealbook.contract.usage import Usage
from services.ingest.normalize.buckets import take
from services.ingest.normalize.exchange import Exchange, Kind, Normalized
from services.ingest.normalize.kinds import kind_asked, kind_listed
from services.ingest.normalize.mapping import UNKNOWN, normalized
from services.ingest.normalize.reading import (
    Fields,
    as_count,
    as_list,
    as_object,
    as_text,
    first_object,
    head,
)
from services.ingest.normalize.texts import lines, said
from services.ingest.normalize.tools import calls, names_in

_NO_TOKENS = ("search_units", "images", "image_tokens")


def recognizes(body: Fields) -> bool:
    """Whether this is an answer of one of Cohere's interfaces."""
    return (
        "generation_id" in body
        or "generations" in body
        or "relevance_score" in head(body.get("results"))
        or ("finish_reason" in body and isinstance(body.get("message"), dict))
    )


def normalize(exchange: Exchange) -> Normalized:
    """Any of Cohere's answers."""
    body = as_object(exchange.response)
    message = as_object(body.get("message"))
    generations = [as_object(item) for item in as_list(body.get("generations"))]
    finished = body if "finish_reason" in body else (generations or [body])[0]
    return normalized(
        exchange,
        _kind(exchange, body),
        model_answered=as_text(body.get("model")),
        response_text=_answer(body, message, generations),
        usage=cohere_usage(body),
        tools=(*calls(names_in(body)), *calls(names_in(message))),
        finish_reason=as_text(finished.get("finish_reason")),
    )


def cohere_usage(body: Fields) -> Usage:
    """The buckets in `usage` (v2) or `meta` (v1)."""
    report = first_object(body, "usage", "meta")
    billed = first_object(report, "billed_units")
    if any(billed.get(unit) for unit in _NO_TOKENS):
        return UNKNOWN
    if billed:
        return _usage(billed)
    return _usage(first_object(report, "tokens"), as_count(report.get("cached_tokens")))


def _usage(counts: Fields, cached: int | None = None) -> Usage:
    rest, cache_read = take(as_count(counts.get("input_tokens")), cached)
    return Usage(input=rest, cache_read=cache_read, output=as_count(counts.get("output_tokens")))


def _kind(exchange: Exchange, body: Fields) -> Kind:
    if "embeddings" in body:
        return "embedding"
    return kind_listed(body) or kind_asked(exchange.request)


def _answer(body: Fields, message: Fields, generations: list[Fields]) -> str | None:
    return (
        said(message.get("content"))
        or as_text(body.get("text"))
        or lines([as_text(generation.get("text")) for generation in generations])
    )
