"""Laws of normalize: it never raises, and a usage bucket is None or a count."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.normalize import Exchange, Normalized, normalize, registry

# Names and strings that lead into the mappers; arbitrary ones would never get past the door.
_NAMES = """
choices message delta content text role tool_calls function name arguments index usage
prompt_tokens completion_tokens total_tokens prompt_tokens_details cached_tokens audio_tokens
completion_tokens_details reasoning_tokens input_tokens output_tokens input_tokens_details
cache_read_input_tokens cache_creation_input_tokens cache_creation object response output type
status error code candidates parts usageMetadata promptTokenCount cachedContentTokenCount
promptTokensDetails modality AUDIO tokenCount thoughtsTokenCount candidatesTokenCount done
prompt_eval_count eval_count meta tokens billed_units generations generation_id results
outputText inputTextTokenCount generation inputTokens stopReason messages contents input prompt
tool_use tool_result tool_use_id toolUse toolResult functionResponse event_type is_finished
message_start content_block content_block_delta message_delta completion output_index item
response.completed response.output_item.added response.output_text.delta thread.run
thread.message thread.message.delta chat.completion.chunk data event chunk bytes finish_reason
messageStart contentBlockStart contentBlockDelta contentBlockIndex metadata start reasoning
content-delta message-end partial_json function_call id model system documents query
total_duration created_at first_created_at metrics latencyMs stats time_to_first_token queue_time
total_time service_tier speed cost cost_in_usd_ticks is_byok cost_details upstream_inference_cost
innererror content_filter_result content_filter_results filtered native_finish_reason stop_reason
stop_details category safetyRatings blocked trace guardrail inputAssessment outputAssessments action
BLOCKED refusal amazon-bedrock-invocationMetrics inputTokenCount firstByteLatency billed_units
"""
WORDS = st.sampled_from(_NAMES.split())
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | WORDS
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=40,
)
PROVIDERS = st.sampled_from(
    [
        "openai",
        "azure",
        "anthropic",
        "ollama",
        "cohere",
        "google",
        "bedrock",
        "openrouter",
        "xai",
        "",
    ]
)


@pytest.fixture(autouse=True, scope="module")
def _mappers_do_not_raise() -> Iterator[None]:
    """The guard around the mappers must not hide their faults from these tests."""

    def reported(part: str, error: Exception) -> None:
        raise AssertionError(part) from error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_report", reported)
        yield


def assert_sound(result: Normalized) -> None:
    assert isinstance(result, Normalized)
    assert all(type(count) is int and count >= 0 for count in result.usage.known().values())
    assert result.status == "error" or result.error_class is None
    for text in (result.request_text, result.response_text, result.model_answered):
        assert text is None or (isinstance(text, str) and text)
    for time in (result.latency_ms, result.time_to_first_token_ms):
        assert time is None or (time >= 0 and math.isfinite(time))
    assert result.cost is None or (result.cost >= 0 and result.cost.is_finite())
    assert result.stop_cause is None or re.fullmatch(r"[\w.:/,-]{1,520}", result.stop_cause)


@given(PROVIDERS, JSON, JSON, st.none() | st.integers(100, 599))
@settings(max_examples=600, deadline=None)
def test_any_json_is_normalized(provider: str, request: Any, response: Any, http: Any) -> None:
    assert_sound(normalize(Exchange(provider, request, response, None, http)))


@given(PROVIDERS, st.lists(st.dictionaries(WORDS, JSON, max_size=6), max_size=6))
@settings(max_examples=400, deadline=None)
def test_any_chunks_are_normalized(provider: str, chunks: list[Any]) -> None:
    before = repr(chunks)
    assert_sound(normalize(Exchange(provider, None, chunks)))
    assert repr(chunks) == before


@given(
    PROVIDERS, st.lists(st.one_of(st.text(), JSON.map(json.dumps))), st.sampled_from(["", "data:"])
)
@settings(max_examples=300, deadline=None)
def test_any_stream_is_normalized(provider: str, lines: list[str], prefix: str) -> None:
    stream = "\n".join(prefix + line for line in lines)
    assert_sound(normalize(Exchange(provider, None, None, stream)))


@given(st.integers(65, 5000), st.sampled_from(["[", '{"choices":', '{"message":']))
@settings(max_examples=20, deadline=None)
def test_any_depth_is_normalized(depth: int, opening: str) -> None:
    assert_sound(normalize(Exchange("openai", None, None, opening * depth)))
    deep: Any = "x"
    for _ in range(depth):
        deep = {"choices": [deep], "content": [deep], "messages": deep}
    assert_sound(normalize(Exchange("openai", deep, deep)))


@given(
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 1000),
)
def test_no_token_is_counted_twice(
    prompt: int, cached: int, audio: int, out: int, thought: int
) -> None:
    usage = {
        "prompt_tokens": prompt,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": audio},
        "completion_tokens": out,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
    result = normalize(Exchange("openai", {}, {"choices": [], "usage": usage}))
    assert (result.usage.input_total, result.usage.output_total) == (prompt, out)


EXCHANGES = Path(__file__).parents[3] / "shared/data/exchanges/provider-exchanges.jsonl"


@pytest.fixture(scope="module")
def recorded() -> list[dict[str, Any]]:
    if not EXCHANGES.exists():
        pytest.skip(f"the recorded exchanges are not at {EXCHANGES}")
    return [json.loads(line) for line in EXCHANGES.read_text("utf-8").splitlines()]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        container = waiting.pop()
        keys = container if isinstance(container, dict) else range(len(container))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], dict | list):
                waiting.append(container[key])
    return found


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_real_exchange_with_parts_changed_is_normalized(
    recorded: list[dict[str, Any]], data: st.DataObject
) -> None:
    row = json.loads(json.dumps(data.draw(st.sampled_from(recorded))))
    document = {"request": row["request"], "response": row.get("response")}
    for _ in range(data.draw(st.integers(1, 4))):
        container, key = data.draw(st.sampled_from(places(document)))
        if data.draw(st.booleans()) or container is document:
            container[key] = data.draw(JSON)
        else:
            del container[key]
    stream = row.get("response_stream")
    if stream:
        at = data.draw(st.integers(0, len(stream)))
        stream = stream[:at] + data.draw(st.text(max_size=5)) + stream[at + 1 :]
    exchange = Exchange(row["provider"], document["request"], document["response"], stream)
    before = repr(exchange)
    assert_sound(normalize(exchange))
    assert repr(exchange) == before


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_real_stream_cut_anywhere_is_normalized(
    recorded: list[dict[str, Any]], data: st.DataObject
) -> None:
    row = data.draw(st.sampled_from([row for row in recorded if row.get("response_stream")]))
    stream = row["response_stream"]
    whole = normalize(Exchange(row["provider"], row["request"], None, stream, 200))
    cut = stream[: data.draw(st.integers(0, len(stream)))]
    part = normalize(Exchange(row["provider"], row["request"], None, cut, 200))
    assert_sound(part)
    if isinstance(part.response, dict) and part.response_text:
        assert (whole.response_text or "").startswith(part.response_text)
