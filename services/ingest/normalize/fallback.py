"""Whoever is not known: best effort over the usual places of text, usage and model.

Reads only; a payload of any shape gives a result, mostly of Nones.
"""

from sealbook.contract.documents import JsonValue
from sealbook.contract.usage import Usage
from services.ingest.normalize.anthropic import anthropic_usage
from services.ingest.normalize.exchange import Exchange, Normalized
from services.ingest.normalize.kinds import kind_asked, kind_listed
from services.ingest.normalize.mapping import normalized
from services.ingest.normalize.openai_usage import openai_usage
from services.ingest.normalize.reading import Fields, as_object, first_object, first_text, head
from services.ingest.normalize.texts import said

_ANSWERS = (
    "output_text",
    "text",
    "generated_text",
    "completion",
    "answer",
    "response",
    "output",
    "content",
)


def normalize(exchange: Exchange) -> Normalized:
    """What can be told of an unknown provider's exchange."""
    body = as_object(exchange.response) or head(exchange.response)
    return normalized(
        exchange,
        kind_listed(body) or kind_asked(exchange.request),
        model_answered=first_text(body, "model", "model_id", "modelId"),
        response_text=_answer(body),
        usage=_usage(first_object(body, "usage")),
        finish_reason=first_text(body, "finish_reason", "stop_reason", "finishReason"),
    )


def _answer(body: Fields) -> str | None:
    for name in _ANSWERS:
        text = said(body.get(name))
        if text:
            return text
    return said(as_object(body.get("message")).get("content"))


def _usage(report: Fields) -> Usage:
    """Only Anthropic's shape counts the cache beside the input; everyone else follows OpenAI."""
    value: JsonValue = report
    if "cache_read_input_tokens" in report or "cache_creation_input_tokens" in report:
        return anthropic_usage(value)
    return openai_usage(value)
