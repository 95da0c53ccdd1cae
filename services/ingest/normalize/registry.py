"""Which mapper an exchange gets: a plug-in by name, else by shape, else by name, else the fallback.

Never raises. A mapper that fails is reported by its name and the type of error only, since the
text of the error, and the provider's name as somebody sent it, may quote what is private.
"""

import logging
from dataclasses import replace

from services.ingest.normalize import (
    anthropic,
    bedrock,
    cohere,
    compatible,
    fallback,
    google,
    mistral,
    ollama,
    openai,
)
from services.ingest.normalize.exchange import Exchange, Normalized
from services.ingest.normalize.mapping import Mapper
from services.ingest.normalize.plugins import plugged_in
from services.ingest.normalize.shapes import mapper_by_shape
from services.ingest.normalize.streams import complete_response

_log = logging.getLogger(__name__)

# Provider, or another name in use for it (OpenTelemetry, LiteLLM), to its mapper.
MAPPERS: dict[str, Mapper] = {
    **dict.fromkeys(compatible.PROVIDERS, openai.normalize),
    "anthropic": anthropic.normalize,
    "bedrock": bedrock.normalize,
    "aws.bedrock": bedrock.normalize,
    "aws_bedrock": bedrock.normalize,
    "cohere": cohere.normalize,
    "gemini": google.normalize,
    "google": google.normalize,
    "gcp.gemini": google.normalize,
    "gcp.gen_ai": google.normalize,
    "gcp.vertex_ai": google.normalize,
    "vertex_ai": google.normalize,
    "mistral": mistral.normalize,
    "mistral_ai": mistral.normalize,
    "mistralai": mistral.normalize,
    "ollama": ollama.normalize,
}


def normalize(exchange: Exchange) -> Normalized:
    """The common shape of any exchange, with its stream assembled; never raises."""
    whole = _assembled(exchange)
    for mapper in (_mapper(whole), fallback.normalize):
        result = _tried(mapper, whole)
        if result is not None:
            return result
    return Normalized(response=whole.response)


def _assembled(exchange: Exchange) -> Exchange:
    """The exchange with its complete response; without an assembler's help if that fails."""
    try:
        response = complete_response(exchange)
    except Exception as error:  # noqa: BLE001 - a strange stream must not lose the interaction
        _report("stream", error)
        return exchange
    return exchange if response is exchange.response else replace(exchange, response=response)


def _mapper(exchange: Exchange) -> Mapper:
    provider = str(exchange.provider).strip().lower()
    return (
        plugged_in().get(provider)
        or mapper_by_shape(exchange.response)
        or MAPPERS.get(provider, fallback.normalize)
    )


def _tried(mapper: Mapper, exchange: Exchange) -> Normalized | None:
    try:
        result = mapper(exchange)
    except Exception as error:  # noqa: BLE001 - plug-ins may raise anything; the fallback follows
        _report(mapper.__module__, error)
        return None
    return result if isinstance(result, Normalized) else None


def _report(part: str, error: Exception) -> None:
    _log.warning("Normalizing an exchange (%s) failed: %s.", part, type(error).__name__)
