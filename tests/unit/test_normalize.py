"""Normalize, over 450 exchanges recorded with real providers: counted here straight from the raw
JSON, by other means than the mappers use, and pinned. Cases per provider are in the second half.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from sealbook.contract.usage import Usage
from services.ingest.normalize import Exchange, Normalized, ToolCall, normalize, plugins

EXCHANGES = Path(__file__).parents[3] / "shared/data/exchanges/provider-exchanges.jsonl"

# (provider, kind): exchanges, exchanges with usage, tokens in, tokens out.
REPORTED = {
    ("anthropic", "chat"): (31, 31, 17583, 3896),
    ("azure", "chat"): (55, 33, 521, 1093),
    ("bedrock", "chat"): (10, 10, 36493, 347),
    ("bedrock", "completion"): (4, 2, 15, 117),
    ("cohere", "chat"): (24, 23, 13918, 2128),
    ("cohere", "completion"): (2, 1, 7, 129),
    ("cohere", "rerank"): (1, 0, 0, 0),
    ("deepseek", "chat"): (1, 1, 12, 89),
    ("google", "chat"): (2, 2, 10, 3742),
    ("groq", "chat"): (12, 12, 216, 672),
    ("mistral", "chat"): (5, 5, 55, 348),
    ("mistral", "embedding"): (3, 3, 63, 0),
    ("ollama", "chat"): (3, 3, 36, 249),
    ("ollama", "completion"): (5, 5, 50, 281),
    ("openai", "chat"): (224, 196, 42223, 15264),
    ("openai", "completion"): (17, 2, 1177, 545),
    ("openai", "embedding"): (7, 7, 21420, 0),
    ("openai", "image"): (2, 0, 0, 0),
    ("openai", "other"): (40, 3, 1144, 267),
    ("together", "chat"): (1, 1, 18, 35),
    ("together", "completion"): (1, 1, 10, 512),
}
# The buckets over all exchanges, where tokens would be counted twice first.
BUCKETS = {"cache_read": 36487, "cache_write": 22791, "reasoning": 4330}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    if not EXCHANGES.exists():
        pytest.skip(f"the recorded exchanges are not at {EXCHANGES}")
    return [json.loads(line) for line in EXCHANGES.read_text("utf-8").splitlines()]


def normal(row: Row) -> Normalized:
    return normalize(
        Exchange(
            row["provider"],
            row["request"],
            row.get("response"),
            row.get("response_stream"),
            row["http_status"],
        )
    )


def kind_by_uri(row: Row) -> str:
    path = row["uri"].split("?")[0]
    if "/invoke" in path:
        return "chat" if "messages" in row["request"] else "completion"
    if "/threads" in path:
        return "other"
    last = path.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    if path.endswith("chat/completions"):
        return "chat"
    names = {"completions": "completion", "generate": "completion", "embeddings": "embedding"}
    return {**names, "rerank": "rerank", "generations": "image"}.get(last, "chat")


def events(row: Row) -> Iterator[Any]:
    for line in row["response_stream"].splitlines():
        data = line.removeprefix("data:").strip()
        if data.startswith("{"):
            yield json.loads(data)


def streamed_text(row: Row) -> str:
    return "".join(delta for event in events(row) for delta in deltas(event))


def deltas(event: Any) -> Iterator[str]:
    for choice in event.get("choices", []):
        yield choice.get("text") or choice.get("delta", {}).get("content") or ""
    match event:
        case {"type": "response.output_text.delta", "delta": text}:
            yield text
        case {"type": "content_block_delta", "delta": {"text": text}}:
            yield text
        case {"event_type": "text-generation", "text": text}:
            yield text
        case {"type": "content-delta", "delta": {"message": {"content": {"text": text}}}}:
            yield text
        case {"done": bool(), "response": text}:
            yield text
        case {"object": "thread.message.delta", "delta": {"content": [{"text": {"value": text}}]}}:
            yield text


def tokens_reported(row: Row) -> tuple[int | None, int | None]:
    """Tokens in and out as the provider counts them, by the names alone, wherever they stand."""
    raw = row.get("response_stream") or json.dumps(row["response"], separators=(",", ":"))
    if row["provider"] == "bedrock":  # Its guardrail's trace quotes the model's own usage.
        raw = json.dumps(row["response"].get("usage", row["response"]))
    if row["provider"] == "cohere":
        raw = re.sub(r'"billed_units":{[^}]*},?(?="tokens")', "", raw)
    cached = [named(raw, f"cache_{part}_input_tokens") or 0 for part in ("read", "creation")]
    went_in = named(
        raw,
        "prompt_tokens|input_tokens|promptTokenCount|prompt_eval_count|inputTokens"
        "|inputTextTokenCount",
    )
    titan = "|tokenCount" if row["provider"] == "bedrock" else ""
    came_out = named(
        raw, f"completion_tokens|output_tokens|candidatesTokenCount|eval_count|outputTokens{titan}"
    )
    thoughts = named(raw, "thoughtsTokenCount") or 0
    return (
        None if went_in is None else went_in + sum(cached),
        None if came_out is None else came_out + thoughts,
    )


def named(raw: str, names: str) -> int | None:
    """The last whole number under one of these names."""
    found = re.findall(rf'"(?:{names})"\s*:\s*(\d+)(?![\d.])', raw)
    return int(found[-1]) if found else None


def test_every_recorded_exchange_has_its_kind_model_and_prompt(rows: list[Row]) -> None:
    assert len(rows) == 450
    for row in rows:
        result = normal(row)
        assert result.kind == kind_by_uri(row), row["uri"]
        assert result.model_asked == row["request"].get("model"), row["name"]
        assert result.request_text or result.kind == "other", row["name"]


def test_usage_equals_what_the_provider_reported(rows: list[Row]) -> None:
    for row in rows:
        usage = normal(row).usage
        assert (usage.input_total, usage.output_total) == tokens_reported(row), row["name"]


def test_totals_per_provider_and_kind_are_pinned(rows: list[Row]) -> None:
    totals: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows:
        result = normal(row)
        usage = result.usage
        told = (1, bool(usage.known()), usage.input_total or 0, usage.output_total or 0)
        key = (row["provider"], result.kind)
        totals[key] = [a + b for a, b in zip(totals[key], told, strict=True)]
    assert {key: tuple(total) for key, total in totals.items()} == REPORTED


def test_totals_per_bucket_are_pinned(rows: list[Row]) -> None:
    totals: Counter[str] = Counter()
    for row in rows:
        totals.update(normal(row).usage.known())
    assert {name: totals[name] for name in BUCKETS} == BUCKETS
    assert sum(totals.values()) == sum(sum(total[2:]) for total in REPORTED.values())


def test_a_streams_text_is_all_its_deltas(rows: list[Row]) -> None:
    streams = [row for row in rows if row.get("response_stream")]
    assert len(streams) == 114
    for row in streams:
        assert (normal(row).response_text or "") == streamed_text(row), row["name"]


def test_streamed_tool_arguments_are_whole_json(rows: list[Row]) -> None:
    seen = 0
    for row in rows:
        if row.get("response_stream") and "/chat/completions" in row["uri"]:
            response: Any = normal(row).response
            for call in response["choices"][0]["message"].get("tool_calls") or []:
                assert isinstance(json.loads(call["function"]["arguments"]), dict)
                seen += 1
    assert seen == 20


def test_an_answer_has_text_or_tools_and_says_why_it_ended(rows: list[Row]) -> None:
    for row in rows:
        result = normal(row)
        if result.kind in ("chat", "completion") and result.status == "success":
            blocked = result.finish_reason == "content_filter"
            assert result.response_text or result.tools or blocked, row["name"]
            assert result.finish_reason, row["name"]


def test_errors_have_a_class_and_a_message(rows: list[Row]) -> None:
    errors = Counter()
    for row in rows:
        result = normal(row)
        if result.status == "error":
            assert result.error_message
            errors[result.error_class] += 1
        else:
            assert row["http_status"] < 400
            assert (result.error_class, result.error_message) == (None, None)
    assert errors == {"invalid_request_error": 3, "content_filter": 1, "http_404": 1}


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


def test_cohere_counts_tokens_read_and_bills_only_where_it_says_nothing_else() -> None:
    billed = {"billed_units": {"input_tokens": 7, "output_tokens": 3}}
    tokens = {"tokens": {"input_tokens": 69, "output_tokens": 4}, "cached_tokens": 60}
    v1 = {"generation_id": "g", "text": "", "meta": billed}
    v2 = {"message": {}, "finish_reason": "COMPLETE", "usage": {**billed, **tokens}}
    buckets("cohere", v1, input=7, output=3)
    buckets("cohere", v2, input=9, cache_read=60, output=4)


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


def test_ollama_does_not_know_the_input_it_did_not_evaluate() -> None:
    buckets("ollama", {"done": True, "response": "", "eval_count": 3}, output=3)


@pytest.mark.parametrize(
    "count", [None, True, "7", 7.0, -7, 2**53 + 1, 10**5000, [7], {"n": 7}], ids=lambda _: "count"
)
def test_what_is_no_count_is_missing_and_zero_is_zero(count: Any) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 0}
    buckets("openai", openai_answer(usage), output=0)


def test_a_known_shape_is_read_under_any_providers_name() -> None:
    response = {
        "type": "message",
        "content": [{"type": "text", "text": "hi"}],
        "usage": {"input_tokens": 4, "cache_read_input_tokens": 9, "output_tokens": 1},
    }
    for provider in ("openai", "bedrock", "my gateway", ""):
        result = normalize(Exchange(provider, {"messages": []}, response))
        assert (result.kind, result.response_text, result.usage.cache_read) == ("chat", "hi", 9)


def test_an_unknown_provider_is_read_as_far_as_it_goes() -> None:
    response = {"answer": "hi", "model": "m-1", "usage": {"input_tokens": 4, "output_tokens": 1}}
    result = normalize(Exchange("acme", {"prompt": "ho", "model": "m"}, response))
    assert (result.request_text, result.response_text) == ("ho", "hi")
    assert (result.model_asked, result.model_answered) == ("m", "m-1")
    assert result.usage == Usage(input=4, output=1)


@pytest.mark.parametrize(
    ("response", "http_status", "expected"),
    [
        ({"error": {"type": "t", "code": "c", "message": "m"}}, 400, ("error", "t", "m")),
        ({"error": {"type": None, "code": "c", "message": "m"}}, 200, ("error", "c", "m")),
        ({"error": {"code": 400, "status": "S", "message": "m"}}, None, ("error", "S", "m")),
        ({"error": {"code": 402, "message": "m"}}, None, ("error", "402", "m")),
        ({"error": "m"}, 404, ("error", "http_404", "m")),
        ({"type": "error", "error": {"type": "t", "message": "m"}}, 529, ("error", "t", "m")),
        ({"__type": "Throttling", "message": "m"}, 400, ("error", "Throttling", "m")),
        ({"object": "response", "status": "failed"}, 200, ("error", "unknown", None)),
        ("<html>", 502, ("error", "http_502", "<html>")),
        (None, 500, ("error", "http_500", None)),
        (None, 499, ("canceled", None, None)),
        ({"object": "response", "status": "cancelled"}, 200, ("canceled", None, None)),
        ({"object": "response", "error": None}, 200, ("success", None, None)),
    ],
)
def test_outcomes(response: Any, http_status: int | None, expected: tuple[Any, ...]) -> None:
    result = normalize(Exchange("openai", {}, response, None, http_status))
    assert (result.status, result.error_class, result.error_message) == expected


def test_a_call_is_listed_when_asked_for_and_again_with_how_it_went() -> None:
    history = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "weather"}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "1", "is_error": True}],
        },
    ]
    response = {"type": "message", "content": [{"type": "tool_use", "id": "2", "name": "news"}]}
    result = normalize(Exchange("anthropic", {"messages": history}, response))
    assert result.tools == (ToolCall("weather", ok=False), ToolCall("news", ok=None))


STREAMS = {
    "crlf, comments, several data lines, junk": (
        ': hello\r\n\r\nid: 7\r\ndata: {"choices": [{"delta":\r\n'
        'data: {"content": "a\u2028"}}]}\r\n\r\njunk\r\n<html>\r\ndata: nonsense\r\n\r\n'
        'data: {"choices": [{"delta": {"content": "b"}}]}\r\n\r\ndata: [DONE]\r\n\r\n'
    ),
    "no blank lines": (
        'data: {"choices": [{"delta": {"content": "a\u2028"}}]}\n'
        'data: {"choices": [{"delta": {"content": "b"}}]}'
    ),
    "cut off": (
        'data: {"choices": [{"delta": {"content": "a\u2028"}}]}\n\n'
        'data: {"choices": [{"delta": {"content": "b"}}]}\n\ndata: {"choices": [{"del'
    ),
    "json lines": (
        '{"choices": [{"delta": {"content": "a\u2028"}}]}\n'
        '{"choices": [{"delta": {"content": "b"}}]}\n{"cho'
    ),
    "one list": (
        '[{"choices": [{"delta": {"content": "a\u2028"}}]}\n,\n'
        '{"choices": [{"delta": {"content": "b"}}]}\n]'
    ),
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
def test_streams_as_they_come(stream: str) -> None:
    assert normalize(Exchange("openai", {}, None, stream)).response_text == "a\u2028b"


def test_an_errors_body_instead_of_a_stream_is_the_response() -> None:
    result = normalize(Exchange("openai", {}, None, '{\n  "error": {"code": "c"}\n}', None))
    assert (result.status, result.error_class) == ("error", "c")
    assert result.response == {"error": {"code": "c"}}


def test_text_that_is_no_stream_is_kept() -> None:
    assert normalize(Exchange("openai", {}, None, "upstream timed out")).response == (
        "upstream timed out"
    )


def chunked(provider: str, chunks: list[Any]) -> Normalized:
    return normalize(Exchange(provider, {}, chunks))


def test_openai_fragments_are_joined_by_index() -> None:
    def piece(index: int, **function: str) -> Any:
        call = {"index": index, "function": function}
        return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}

    chunks = [
        piece(0, name="a", arguments=""),
        piece(1, name="b", arguments="{"),
        piece(0, arguments='{"x"'),
        piece(1, arguments="}"),
        piece(0, arguments=":1}"),
        {"choices": [], "usage": {"prompt_tokens": 1}},
    ]
    result = chunked("openai", chunks)
    response: Any = result.response
    calls = response["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ['{"x":1}', "{}"]
    assert (result.tools, result.usage.input) == ((ToolCall("a"), ToolCall("b")), 1)


def test_a_cut_responses_stream_has_the_text_so_far() -> None:
    chunks = [
        {"type": "response.created", "response": {"status": "in_progress", "model": "m"}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "message", "status": "in_progress", "content": []},
        },
        {"type": "response.output_text.delta", "output_index": 0, "delta": "he"},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "y"},
    ]
    result = chunked("openai", chunks)
    assert (result.response_text, result.model_answered, result.finish_reason) == ("hey", "m", None)


def test_anthropic_events_give_thinking_tools_and_the_final_usage() -> None:
    def delta(index: int, **fields: str) -> Any:
        return {"type": "content_block_delta", "index": index, "delta": fields}

    def start(index: int, **block: Any) -> Any:
        return {"type": "content_block_start", "index": index, "content_block": block}

    chunks = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
        start(0, type="thinking", thinking=""),
        delta(0, type="thinking_delta", thinking="hm"),
        start(1, type="tool_use", id="1", name="t", input={}),
        delta(1, type="input_json_delta", partial_json='{"a"'),
        delta(1, type="input_json_delta", partial_json=": 1}"),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 5},
        },
    ]
    result = chunked("anthropic", chunks)
    response: Any = result.response
    assert response["content"] == [
        {"type": "thinking", "thinking": "hm"},
        {"type": "tool_use", "id": "1", "name": "t", "input": {"a": 1}},
    ]
    assert (result.usage, result.finish_reason) == (Usage(input=9, output=5), "tool_use")


def test_an_error_within_a_stream_is_an_error() -> None:
    chunks = [
        {"type": "message_start", "message": {"content": []}},
        {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
    ]
    assert chunked("anthropic", chunks).error_class == "overloaded_error"
    assert chunked("openai", [{"error": {"code": "c"}}]).error_class == "c"


def test_gemini_parts_are_joined_and_thoughts_are_no_answer() -> None:
    def chunk(*parts: Any) -> Any:
        return {"candidates": [{"content": {"parts": list(parts)}}]}

    thought = {"text": "hm", "thought": True}
    result = chunked("google", [chunk(thought), chunk({"text": "a"}), chunk({"text": "b"})])
    response: Any = result.response
    assert response["candidates"][0]["content"]["parts"] == [thought, {"text": "ab"}]
    assert result.response_text == "ab"


def test_converse_events_give_the_converse_answer() -> None:
    chunks = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "a"}}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "b"}}},
        {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"name": "t"}}}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"x":'}}}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "1}"}}}},
        {"messageStop": {"stopReason": "tool_use"}},
        {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 2}}},
    ]
    result = chunked("bedrock", chunks)
    response: Any = result.response
    assert response["output"]["message"]["content"][1]["toolUse"]["input"] == {"x": 1}
    assert (result.response_text, result.tools) == ("ab", (ToolCall("t"),))
    assert (result.usage, result.finish_reason) == (Usage(input=3, output=2), "tool_use")


def test_bedrocks_bytes_are_unwrapped() -> None:
    # {"generation": "a"} and {"generation": "b", "stop_reason": "stop"}
    wrapped = [
        "eyJnZW5lcmF0aW9uIjogImEifQ==",
        "eyJnZW5lcmF0aW9uIjogImIiLCAic3RvcF9yZWFzb24iOiAic3RvcCJ9",
    ]
    result = chunked("bedrock", [{"chunk": {"bytes": text}} for text in wrapped])
    assert (result.response_text, result.finish_reason) == ("ab", "stop")


def test_cut_cohere_streams_have_the_text_so_far() -> None:
    v1 = [{"event_type": "text-generation", "text": text} for text in "ab"]
    v2 = [
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}}
        for text in "ab"
    ]
    assert chunked("cohere", v1).response_text == chunked("cohere", v2).response_text == "ab"


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Registers one entry point: its provider and the object it names."""

    def register(provider: str, value: str) -> None:
        point = EntryPoint(provider, value, plugins.GROUP)
        monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
        plugins.plugged_in.cache_clear()

    yield register
    plugins.plugged_in.cache_clear()


def acme(exchange: Exchange) -> Normalized:
    return Normalized(kind="audio", response_text="from the plug-in")


def broken(exchange: Exchange) -> Normalized:
    raise RuntimeError("secret payload")


def test_a_plug_in_maps_its_provider_and_no_other(plug_in: Any) -> None:
    plug_in("OpenAI", f"{__name__}:acme")
    answer = {"choices": [{"text": "hi"}]}
    assert normalize(Exchange("openai", {}, answer)).response_text == "from the plug-in"
    assert normalize(Exchange("groq", {}, answer)).response_text == "hi"


@pytest.mark.parametrize("value", [f"{__name__}:broken", "builtins:len", "no.such:module"])
def test_a_broken_plug_in_leaves_the_exchange_to_the_fallback(
    plug_in: Any, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    plug_in("acme", value)
    assert normalize(Exchange("acme", {}, {"answer": "hi"})).response_text == "hi"
    assert "Error" in caplog.text
    assert "secret" not in caplog.text


def test_huge_input_takes_linear_time() -> None:
    parts = [{"choices": [{"delta": {"content": "x"}}]}] * 50_000
    assert chunked("openai", parts).response_text == "x" * 50_000
    junk = "data: {\n" * 50_000 + "[" * 50_000
    assert normalize(Exchange("openai", [[]] * 50_000, None, junk)).response == junk
