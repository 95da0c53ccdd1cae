"""Usage as OpenAI and the providers that copy its API report it.

`prompt_tokens` and `completion_tokens` include their details, so each detail is taken out of them.
The field names are those of chat completions, of the Responses API (`input_tokens` …), of
transcription and realtime (`input_token_details`) and of these dialects: DeepSeek
(`prompt_cache_hit_tokens`), Moonshot (`cached_tokens` at the top), OpenRouter
(`cache_write_tokens`), Mistral (`prompt_token_details`), xAI (reasoning beside the completion).
"""

from sealbook.contract.documents import JsonValue
from sealbook.contract.usage import Usage
from services.ingest.normalize.buckets import plus, take
from services.ingest.normalize.mapping import UNKNOWN
from services.ingest.normalize.reading import Fields, as_count, first_count, first_object

_INPUT_DETAILS = (
    "prompt_tokens_details",
    "input_tokens_details",
    "input_token_details",
    "prompt_token_details",
)
_OUTPUT_DETAILS = (
    "completion_tokens_details",
    "output_tokens_details",
    "output_token_details",
)


def openai_usage(report: JsonValue) -> Usage:
    """The buckets of a `usage` object."""
    if not isinstance(report, dict) or not report:
        return UNKNOWN
    prompt, cache_read, cache_write, audio_input = _input(report)
    output, reasoning, audio_output = _output(report)
    return Usage(
        input=prompt,
        cache_read=cache_read,
        cache_write=cache_write,
        output=output,
        reasoning=reasoning,
        audio_input=audio_input,
        audio_output=audio_output,
    )


def _prompt(report: Fields) -> int | None:
    prompt = first_count(report, "prompt_tokens", "input_tokens")
    if prompt is not None:
        return prompt
    return plus(
        as_count(report.get("prompt_cache_hit_tokens")),
        as_count(report.get("prompt_cache_miss_tokens")),
    )


def _input(report: Fields) -> tuple[int | None, int | None, int | None, int | None]:
    details = first_object(report, *_INPUT_DETAILS)
    cached = as_count(details.get("cached_tokens"))
    if cached is None:
        cached = first_count(report, "prompt_cache_hit_tokens", "cached_tokens")
    rest, cache_read = take(_prompt(report), cached)
    rest, cache_write = take(rest, as_count(details.get("cache_write_tokens")))
    rest, audio = take(rest, _uncached_audio(details))
    return rest, cache_read, cache_write, audio


def _uncached_audio(details: Fields) -> int | None:
    """Realtime counts cached audio among both the cached and the audio tokens."""
    cached = first_object(details, "cached_tokens_details")
    audio, _ = take(as_count(details.get("audio_tokens")), as_count(cached.get("audio_tokens")))
    return audio


def _output(report: Fields) -> tuple[int | None, int | None, int | None]:
    details = first_object(report, *_OUTPUT_DETAILS)
    completion = first_count(report, "completion_tokens", "output_tokens")
    reasoning = as_count(details.get("reasoning_tokens"))
    if not _reasoning_is_beside(report, completion, reasoning):
        completion, reasoning = take(completion, reasoning)
    rest, audio = take(completion, as_count(details.get("audio_tokens")))
    return rest, reasoning, audio


def _reasoning_is_beside(report: Fields, completion: int | None, reasoning: int | None) -> bool:
    """xAI counts reasoning beside the completion; only the total tells which way it is."""
    prompt = first_count(report, "prompt_tokens", "input_tokens")
    if not reasoning or completion is None or prompt is None:
        return False
    return report.get("total_tokens") == prompt + completion + reasoning
