"""Mistral: OpenAI's shapes, and its own for conversations of agents.

https://docs.mistral.ai/api. Content may be a list of text and thinking chunks; `texts` reads both.
"""

from services.ingest.normalize import openai
from services.ingest.normalize.exchange import Exchange, Normalized
from services.ingest.normalize.mapping import normalized
from services.ingest.normalize.openai_usage import openai_usage
from services.ingest.normalize.reading import Fields, as_list, as_object, as_text
from services.ingest.normalize.texts import said
from services.ingest.normalize.tools import calls


def recognizes(body: Fields) -> bool:
    """Whether this is an agents' conversation."""
    return body.get("object") == "conversation.response"


def normalize(exchange: Exchange) -> Normalized:
    """Chat, FIM and embeddings like OpenAI's; conversations here."""
    body = as_object(exchange.response)
    return _conversation(exchange, body) if recognizes(body) else openai.normalize(exchange)


def _conversation(exchange: Exchange, body: Fields) -> Normalized:
    outputs = [as_object(item) for item in as_list(body.get("outputs"))]
    answers = [item for item in outputs if item.get("type") == "message.output"]
    return normalized(
        exchange,
        "chat",
        model_answered=as_text(answers[0].get("model")) if answers else None,
        response_text=said([item.get("content") for item in answers]),
        usage=openai_usage(body.get("usage")),
        tools=calls(as_text(item.get("name")) for item in outputs),
    )
