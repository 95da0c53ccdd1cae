"""OpenAI and everyone who speaks its API: chat, completions, embeddings, images, audio, moderation.

https://platform.openai.com/docs/api-reference. The Responses API and assistants have files of
their own; what differs between the providers that copy this API stands in `compatible`.
"""

from services.ingest.normalize import openai_assistants, openai_responses
from services.ingest.normalize.exchange import Exchange, Kind, Normalized
from services.ingest.normalize.kinds import kind_asked, kind_listed
from services.ingest.normalize.mapping import normalized
from services.ingest.normalize.openai_usage import openai_usage
from services.ingest.normalize.reading import Fields, as_list, as_object, as_text, first_text
from services.ingest.normalize.stops import choice_cause
from services.ingest.normalize.texts import lines, said
from services.ingest.normalize.tools import calls, names_in


def normalize(exchange: Exchange) -> Normalized:
    """Any of the API's answers, told apart by their shape."""
    body = as_object(exchange.response)
    if "choices" in body:
        return _choices(exchange, body)
    if openai_responses.recognizes(body):
        return openai_responses.normalize(exchange)
    if openai_assistants.recognizes(body):
        return openai_assistants.normalize(exchange)
    return _listed(exchange, body)


def _choices(exchange: Exchange, body: Fields) -> Normalized:
    choices = [as_object(choice) for choice in as_list(body["choices"])]
    messages = [as_object(choice.get("message")) for choice in choices]
    return normalized(
        exchange,
        _kind_of_choices(exchange, choices),
        model_answered=as_text(body.get("model")),
        response_text=lines([_answer(choice) for choice in choices]),
        usage=openai_usage(body.get("usage")),
        tools=calls(name for message in messages for name in names_in(message)),
        finish_reason=as_text(choices[0].get("finish_reason")) if choices else None,
        stop_cause=choice_cause(choices[0]) if choices else None,
    )


def _kind_of_choices(exchange: Exchange, choices: list[Fields]) -> Kind:
    if choices and "message" in choices[0]:
        return "chat"
    return "completion" if choices and "text" in choices[0] else kind_asked(exchange.request)


def _answer(choice: Fields) -> str | None:
    message = choice.get("message")
    if not isinstance(message, dict):
        return as_text(choice.get("text"))
    return said(message.get("content")) or first_text(message, "refusal")


def _listed(exchange: Exchange, body: Fields) -> Normalized:
    """Embeddings, images, moderation, transcription, and errors of all of them."""
    transcript = as_text(body.get("text"))
    asked: Kind = "audio" if transcript else kind_asked(exchange.request)
    return normalized(
        exchange,
        kind_listed(body) or asked,
        model_answered=as_text(body.get("model")),
        response_text=transcript,
        usage=openai_usage(body.get("usage")),
    )
