"""The stop cause: what stood behind a finish reason, where the provider tells more than the reason.

Always names (a filter's category, a guardrail's policy, a harm, a gateway's own reason), several of
them with commas between; never text, such as a stop sequence, which belongs under the seal.
"""

from collections.abc import Iterable, Iterator

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.reading import Fields, as_list, as_name, as_object

REFUSAL, STOP_SEQUENCE, STOP_TOKEN = "refusal", "stop_sequence", "stop_token"
_MAX_NAMES = 8
_ACTED = ("BLOCKED", "ANONYMIZED")


def choice_cause(choice: Fields) -> str | None:
    """Of a choice in OpenAI's shape: Azure's filter, a refusal, OpenRouter's or vLLM's reason."""
    if cause := filtered(choice.get("content_filter_results")):
        return cause
    message = choice.get("message")
    if isinstance(message, dict) and message.get("refusal"):
        return REFUSAL
    native = as_name(choice.get("native_finish_reason"))
    if native and native != choice.get("finish_reason"):
        return native
    matched = choice.get("stop_reason")
    if matched is None:
        return None
    return STOP_SEQUENCE if isinstance(matched, str) else STOP_TOKEN


def filtered(results: JsonValue) -> str | None:
    """Azure's categories that were filtered."""
    categories = as_object(results)
    return names(
        name for name, result in categories.items() if as_object(result).get("filtered") is True
    )


def body_cause(body: Fields) -> str | None:
    """Of any model's answer: what Bedrock's guardrail, or Azure's filter of prompts, did."""
    for trace in ("trace", "amazon-bedrock-trace"):
        if trace in body:
            return _guardrail_policies(body[trace])
    error = body.get("error")
    inner = error.get("innererror") if isinstance(error, dict) else None
    if not isinstance(inner, dict):
        return None
    return filtered(inner.get("content_filter_result")) or as_name(inner.get("code"))


def harms(ratings: JsonValue) -> str | None:
    """Gemini's categories for which it blocked."""
    rated = map(as_object, as_list(ratings))
    return names(item.get("category") for item in rated if item.get("blocked") is True)


def _guardrail_policies(trace: JsonValue) -> str | None:
    return names(
        policy
        for assessment in _assessments(as_object(as_object(trace).get("guardrail")))
        for policy, found in assessment.items()
        if _acted(as_object(found))
    )


def names(found: Iterable[JsonValue]) -> str | None:
    """Names, each once and sorted; what is no name is left out."""
    known = {name for item in found if (name := as_name(item))}
    return ",".join(sorted(known)[:_MAX_NAMES]) or None


def _assessments(guardrail: Fields) -> Iterator[Fields]:
    """Converse: one for the input, lists for the outputs; invoked: `input`, and a list of them."""
    for name in ("inputAssessment", "input"):
        yield from map(as_object, as_object(guardrail.get(name)).values())
    for listed in as_object(guardrail.get("outputAssessments")).values():
        yield from map(as_object, as_list(listed))
    for output in map(as_object, as_list(guardrail.get("outputs"))):
        yield from map(as_object, output.values())


def _acted(policy: Fields) -> bool:
    return any(
        as_object(item).get("action") in _ACTED
        for listed in policy.values()
        for item in as_list(listed)
    )
