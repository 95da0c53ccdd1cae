"""Which provider's payloads these are, when nobody said so. Pure."""

from sealbook.contract.documents import JsonValue

_BY_OBJECT = ("chat.completion", "text_completion", "response", "embedding")


def guess_provider(response: JsonValue) -> str:
    """A provider's name from the shape of the answer; empty when nothing tells it."""
    if not isinstance(response, dict):
        return ""
    kind = response.get("object")
    if isinstance(kind, str) and kind.startswith(_BY_OBJECT):
        return "openai"
    if response.get("type") == "message":
        return "anthropic"
    if isinstance(response.get("candidates"), list):
        return "google"
    if "done" in response and "model" in response:
        return "ollama"
    return ""
