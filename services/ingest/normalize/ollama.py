"""Ollama: chat, generate, embed. https://github.com/ollama/ollama/blob/main/docs/api.md

`prompt_eval_count` includes `prompt_eval_cached_count`. Older servers leave it out when the prompt
was evaluated before; then the input is unknown.
"""

from sealbook.contract.usage import Usage
from services.ingest.normalize.buckets import take
from services.ingest.normalize.exchange import Exchange, Kind, Normalized
from services.ingest.normalize.kinds import kind_asked
from services.ingest.normalize.mapping import normalized
from services.ingest.normalize.reading import Fields, as_count, as_object, as_text
from services.ingest.normalize.texts import said
from services.ingest.normalize.tools import calls, names_in


def recognizes(body: Fields) -> bool:
    """Whether this is an answer of Ollama's own API."""
    return "prompt_eval_count" in body or (
        "done" in body and ("message" in body or "response" in body)
    )


def normalize(exchange: Exchange) -> Normalized:
    """Any of Ollama's answers."""
    body = as_object(exchange.response)
    message = as_object(body.get("message"))
    read = as_count(body.get("prompt_eval_count"))
    rest, cached = take(read, as_count(body.get("prompt_eval_cached_count")))
    return normalized(
        exchange,
        _kind(exchange, body),
        model_answered=as_text(body.get("model")),
        response_text=said(message.get("content")) or as_text(body.get("response")),
        usage=Usage(input=rest, cache_read=cached, output=as_count(body.get("eval_count"))),
        tools=calls(names_in(message)),
        finish_reason=as_text(body.get("done_reason")),
    )


def _kind(exchange: Exchange, body: Fields) -> Kind:
    if "embeddings" in body or "embedding" in body:
        return "embedding"
    return kind_asked(exchange.request)
