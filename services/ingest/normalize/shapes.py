"""Whose answer this is, by its shape.

Shape comes before the provider's name: gateways, Bedrock and "compatible" endpoints answer in
other providers' shapes, and what an application calls its provider is only a label.
"""

from sealbook.contract.documents import JsonValue
from services.ingest.normalize import (
    anthropic,
    bedrock,
    cohere,
    google,
    mistral,
    ollama,
    openai,
    openai_assistants,
    openai_responses,
)
from services.ingest.normalize.mapping import Mapper

# The first that recognizes an answer maps it; the signs of each are its own.
_FAMILIES = (
    (openai_responses.recognizes, openai.normalize),
    (anthropic.recognizes, anthropic.normalize),
    (google.recognizes, google.normalize),
    (bedrock.recognizes, bedrock.normalize),
    (ollama.recognizes, ollama.normalize),
    (cohere.recognizes, cohere.normalize),
    (mistral.recognizes, mistral.normalize),
    (openai_assistants.recognizes, openai.normalize),
)


def mapper_by_shape(response: JsonValue) -> Mapper | None:
    """The mapper whose shape this is, or None for a shape that nobody or everybody uses."""
    if not isinstance(response, dict):
        return None
    if "choices" in response:
        return openai.normalize
    for recognizes, normalize in _FAMILIES:
        if recognizes(response):
            return normalize
    return None
