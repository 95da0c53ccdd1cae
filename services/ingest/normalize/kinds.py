"""What was asked for, told from the request: the answer of an error does not say."""

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.exchange import Kind
from services.ingest.normalize.reading import Fields, as_object, first_text, head

_CHAT_FIELDS = ("messages", "message", "contents", "chat_history")
_AUDIO_FIELDS = ("voice", "file", "audio_url")
_IMAGE_FIELDS = ("size", "image", "mask", "aspect_ratio")


def kind_asked(request: JsonValue) -> Kind:
    """The kind of a request by the fields it has."""
    fields = as_object(request)
    if any(name in fields for name in _CHAT_FIELDS):
        return "chat"
    if any(name in fields for name in _AUDIO_FIELDS):
        return "audio"
    if "query" in fields and "documents" in fields:
        return "rerank"
    if "prompt" in fields or "inputText" in fields:
        return "image" if any(name in fields for name in _IMAGE_FIELDS) else "completion"
    if "texts" in fields:
        return "embedding"
    return _kind_of_input(fields) if "input" in fields else "other"


def kind_listed(body: Fields) -> Kind | None:
    """The kind of an answer that is a list of results, by its first result."""
    first = head(body.get("data")) or head(body.get("results"))
    if "embedding" in first:
        return "embedding"
    if "url" in first or "b64_json" in first:
        return "image"
    if "categories" in first:
        return "moderation"
    if "relevance_score" in first:
        return "rerank"
    return None


def _kind_of_input(fields: Fields) -> Kind:
    model = first_text(fields, "model") or ""
    if "moderation" in model:
        return "moderation"
    if "embed" in model or "encoding_format" in fields or "dimensions" in fields:
        return "embedding"
    return "chat"
