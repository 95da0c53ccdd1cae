"""Google Gemini, `generateContent` and embeddings, of the Gemini API and of Vertex AI.

https://ai.google.dev/api/generate-content. `promptTokenCount` includes the cached content;
`candidatesTokenCount` excludes the thoughts; tokens of tool results are beside the prompt.
"""

from collections.abc import Iterator

from sealbook.contract.documents import JsonValue
from sealbook.contract.usage import Usage
from services.ingest.normalize.buckets import plus, take
from services.ingest.normalize.exchange import Exchange, Kind, Normalized, ToolCall
from services.ingest.normalize.kinds import kind_asked
from services.ingest.normalize.mapping import UNKNOWN, normalized
from services.ingest.normalize.reading import Fields, as_count, as_list, as_object, as_text
from services.ingest.normalize.stops import harms
from services.ingest.normalize.texts import lines, said
from services.ingest.normalize.tools import calls, last_turn


def recognizes(body: Fields) -> bool:
    """Whether this is Gemini's answer."""
    return "candidates" in body or "usageMetadata" in body or "promptFeedback" in body


def normalize(exchange: Exchange) -> Normalized:
    """Generated content or embeddings."""
    body = as_object(exchange.response)
    candidates = [as_object(item) for item in as_list(body.get("candidates"))]
    contents = [as_object(item.get("content")) for item in candidates]
    return normalized(
        exchange,
        _kind(exchange, body),
        model_answered=as_text(body.get("modelVersion")),
        response_text=lines([said(content.get("parts")) for content in contents]),
        usage=google_usage(body.get("usageMetadata")),
        tools=(*_answered(exchange.request), *calls(_asked(contents))),
        finish_reason=_finish_reason(body, candidates),
        stop_cause=_stop_cause(body, candidates),
    )


def google_usage(report: JsonValue) -> Usage:
    """The buckets of `usageMetadata`."""
    if not isinstance(report, dict) or not report:
        return UNKNOWN
    prompt = plus(
        as_count(report.get("promptTokenCount")),
        as_count(report.get("toolUsePromptTokenCount")),
    )
    cached_audio = _audio(report.get("cacheTokensDetails"))
    audio, _ = take(_audio(report.get("promptTokensDetails")), cached_audio)
    rest, cache_read = take(prompt, as_count(report.get("cachedContentTokenCount")))
    rest, audio_input = take(rest, audio)
    output, audio_output = take(
        as_count(report.get("candidatesTokenCount")), _audio(report.get("candidatesTokensDetails"))
    )
    return Usage(
        input=rest,
        cache_read=cache_read,
        output=output,
        reasoning=as_count(report.get("thoughtsTokenCount")),
        audio_input=audio_input,
        audio_output=audio_output,
    )


def _audio(details: JsonValue) -> int | None:
    """The audio among counts by modality."""
    modalities = map(as_object, as_list(details))
    audio = (item for item in modalities if item.get("modality") == "AUDIO")
    return plus(*(as_count(item.get("tokenCount")) for item in audio))


def _kind(exchange: Exchange, body: Fields) -> Kind:
    if "embedding" in body or "embeddings" in body:
        return "embedding"
    return "chat" if "candidates" in body else kind_asked(exchange.request)


def _finish_reason(body: Fields, candidates: list[Fields]) -> str | None:
    """A prompt that was blocked has no candidate, only the reason why."""
    if candidates:
        return as_text(candidates[0].get("finishReason"))
    return as_text(as_object(body.get("promptFeedback")).get("blockReason"))


def _stop_cause(body: Fields, candidates: list[Fields]) -> str | None:
    """The harm that was seen in the answer, or in the prompt."""
    judged = candidates[0] if candidates else as_object(body.get("promptFeedback"))
    return harms(judged.get("safetyRatings"))


def _asked(contents: list[Fields]) -> Iterator[str | None]:
    for content in contents:
        for part in map(as_object, as_list(content.get("parts"))):
            yield as_text(as_object(part.get("functionCall")).get("name"))


def _answered(request: JsonValue) -> Iterator[ToolCall]:
    """Results after the last model turn: by Google's convention a failure is under `error`."""
    _, after = last_turn(as_object(request).get("contents"), "model", "parts")
    for part in after:
        result = as_object(part.get("functionResponse"))
        if name := as_text(result.get("name")):
            ok = "error" not in as_object(result.get("response"))
            yield ToolCall(name, ok, earlier=True)
