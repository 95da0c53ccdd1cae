"""How each provider counts tokens, and the buckets that its counts become."""

import math
from typing import Any

import pytest

from sealbook.contract.usage import Usage
from services.ingest.normalize import Exchange, normalize


def buckets(provider: str, response: Any, **known: int) -> None:
    """The response's usage is exactly these buckets."""
    assert normalize(Exchange(provider, {}, response, None, 200)).usage == Usage(**known)


def openai_answer(usage: Any) -> Any:
    return {"object": "chat.completion", "choices": [], "usage": usage}


def test_openai_takes_cached_audio_and_reasoning_tokens_out_of_the_whole() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 5},
    }
    expected = {"input": 30, "cache_read": 60, "audio_input": 10}
    buckets("openai", openai_answer(usage), **expected, output=15, reasoning=30, audio_output=5)


def test_responses_takes_cached_and_reasoning_tokens_out_of_the_whole() -> None:
    usage = {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 8},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4},
    }
    response = {"object": "response", "output": [], "usage": usage}
    buckets("openai", response, input=12, cache_read=8, output=5, reasoning=4)


def test_a_part_greater_than_its_whole_is_cut_and_the_total_kept() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 12, "audio_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    expected = {"input": 0, "cache_read": 10, "audio_input": 0, "output": 0, "reasoning": 3}
    buckets("openai", openai_answer(usage), **expected)


def test_xai_counts_reasoning_beside_the_completion() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 115,
        "completion_tokens_details": {"reasoning_tokens": 100},
    }
    buckets("xai", openai_answer(usage), input=10, output=5, reasoning=100)


def test_cached_audio_is_counted_as_cached_only() -> None:
    details = {
        "cached_tokens": 30,
        "audio_tokens": 50,
        "cached_tokens_details": {"audio_tokens": 20},
    }
    usage = {"input_tokens": 100, "input_token_details": details, "output_tokens": 1}
    buckets("openai", openai_answer(usage), input=40, cache_read=30, audio_input=30, output=1)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36, "completion_tokens": 1},
        {"prompt_tokens": 100, "prompt_cache_hit_tokens": 64, "completion_tokens": 1},
    ],
)
def test_deepseek_counts_cache_hits_and_misses(usage: Any) -> None:
    buckets("deepseek", openai_answer(usage), input=36, cache_read=64, output=1)


def test_anthropic_already_counts_the_cache_apart() -> None:
    usage = {
        "input_tokens": 4,
        "cache_read_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
        "output_tokens": 9,
    }
    response = {"type": "message", "content": [], "usage": usage}
    buckets("anthropic", response, input=4, cache_read=7, cache_write=5, output=9)


def test_gemini_counts_thoughts_beside_the_answer_and_the_cache_inside_the_prompt() -> None:
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "toolUsePromptTokenCount": 3,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 80},
            {"modality": "AUDIO", "tokenCount": 20},
        ],
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 11,
    }
    expected = {"input": 43, "cache_read": 40, "audio_input": 20, "output": 7, "reasoning": 11}
    buckets("google", {"candidates": [], "usageMetadata": usage}, **expected)


def test_cohere_counts_what_it_bills_and_tokens_only_where_it_says_nothing_else() -> None:
    billed = {"billed_units": {"input_tokens": 7.0, "output_tokens": 3.0}}
    tokens = {"tokens": {"input_tokens": 69.0, "output_tokens": 4.0}, "cached_tokens": 60}
    v1 = {"generation_id": "g", "text": "", "meta": billed}
    v2 = {"message": {}, "finish_reason": "COMPLETE", "usage": {**billed, **tokens}}
    buckets("cohere", v1, input=7, output=3)
    buckets("cohere", v2, input=7, output=3)
    buckets("cohere", {**v2, "usage": tokens}, input=9, cache_read=60, output=4)


@pytest.mark.parametrize("unit", ["search_units", "images", "image_tokens"])
def test_cohere_units_that_are_no_tokens_leave_usage_unknown(unit: str) -> None:
    billed = {"billed_units": {unit: 1, "input_tokens": 0}}
    buckets("cohere", {"generation_id": "g", "meta": billed})


def test_converse_counts_the_cache_apart() -> None:
    usage = {
        "inputTokens": 5,
        "outputTokens": 6,
        "cacheReadInputTokens": 7,
        "cacheWriteInputTokens": 0,
    }
    response = {"output": {"message": {"content": []}}, "stopReason": "end_turn", "usage": usage}
    buckets("bedrock", response, input=5, cache_read=7, cache_write=0, output=6)


def test_invoked_models_on_bedrock_count_in_their_own_fields() -> None:
    llama = {"generation": "hi", "prompt_token_count": 4, "generation_token_count": 2}
    titan = {"inputTextTokenCount": 4, "results": [{"outputText": "hi", "tokenCount": 2}]}
    for response in (llama, titan):
        buckets("bedrock", response, input=4, output=2)


def test_any_models_stream_on_bedrock_has_amazons_counts() -> None:
    metrics = {
        "inputTokenCount": 4,
        "cacheReadInputTokenCount": 3,
        "outputTokenCount": 2,
        "invocationLatency": 700,
        "firstByteLatency": 210,
    }
    chunks = [
        {"event_type": "text-generation", "text": "a"},
        {"is_finished": True, "amazon-bedrock-invocationMetrics": metrics},
    ]
    result = normalize(Exchange("bedrock", {}, chunks))
    assert result.usage == Usage(input=4, cache_read=3, output=2)
    assert (result.latency_ms, result.time_to_first_token_ms) == (700, 210)


def test_ollama_counts_the_cached_tokens_of_the_prompt_inside_it() -> None:
    counts = {"prompt_eval_count": 11, "prompt_eval_cached_count": 8, "eval_count": 18}
    buckets("ollama", {"done": True, "response": "", **counts}, input=3, cache_read=8, output=18)


def test_ollama_does_not_know_the_input_it_did_not_evaluate() -> None:
    buckets("ollama", {"done": True, "response": "", "eval_count": 3}, output=3)


@pytest.mark.parametrize(
    "count",
    [None, True, "7", 7.5, -7, -7.0, 1e300, math.nan, math.inf, 2**53 + 1, 10**5000, [7], {"n": 7}],
    ids=lambda _: "count",
)
def test_what_is_no_count_is_missing_and_zero_is_zero(count: Any) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 0}
    buckets("openai", openai_answer(usage), output=0)


@pytest.mark.parametrize("count", [7, 7.0])
def test_a_whole_number_written_as_a_double_is_a_count(count: float) -> None:
    usage = normalize(Exchange("openai", {}, openai_answer({"prompt_tokens": count}))).usage
    assert type(usage.input) is int
    assert usage == Usage(input=7)
