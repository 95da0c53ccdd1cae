"""Which provider's payloads these are, when nobody said so. Pure."""

from sealbook.contract.documents import JsonValue

_BY_OBJECT = ("chat.completion", "text_completion", "response", "embedding")
# What only one provider adds to the shape that many share, or has of its own.
_BY_FIELD = (
    ("x_groq", "groq"),
    ("prompt_filter_results", "azure"),
    ("candidates", "google"),
    ("usageMetadata", "google"),
    ("generation_id", "cohere"),
    ("stopReason", "bedrock"),
    ("inputTextTokenCount", "bedrock"),
)


def guess_provider(response: JsonValue) -> str:
    """A provider's name from the shape of a complete answer; empty when nothing tells it."""
    if not isinstance(response, dict):
        return ""
    for field, provider in _BY_FIELD:
        if field in response:
            return provider
    if response.get("type") == "message":
        return "anthropic"
    if "done" in response and "model" in response:
        return "ollama"
    return _by_object(response.get("object"), response)


def _by_object(kind: JsonValue, response: dict[str, JsonValue]) -> str:
    if not isinstance(kind, str):
        return ""
    if kind == "conversation.response":
        return "mistral"
    # OpenRouter alone names the provider that served it, and numbers its answers "gen-…".
    if "provider" in response and str(response.get("id")).startswith("gen-"):
        return "openrouter"
    return "openai" if kind.startswith(_BY_OBJECT) else ""
