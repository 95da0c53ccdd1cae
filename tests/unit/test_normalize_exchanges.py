"""Normalize, over 450 exchanges of real providers, counted here by other means than the mappers."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.ingest.normalize import Exchange, Normalized, normalize

EXCHANGES = Path(__file__).parents[3] / "shared/data/exchanges/provider-exchanges.jsonl"

# (provider, kind): exchanges, exchanges with usage, tokens in, tokens out.
REPORTED = {
    ("anthropic", "chat"): (31, 31, 17583, 3896),
    ("azure", "chat"): (55, 33, 521, 1093),
    ("bedrock", "chat"): (10, 10, 36493, 347),
    ("bedrock", "completion"): (4, 3, 43, 314),
    ("cohere", "chat"): (24, 23, 6025, 1903),
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
BUCKETS = {"cache_read": 33415, "cache_write": 22791, "reasoning": 4330}

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
    if row["provider"] == "cohere":  # Beside what it bills it says what its template made of it.
        raw = re.sub(r'(?<=},)"tokens":{[^}]*}', "", raw)
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
    """The last whole number under one of these names; Titan behind a guardrail writes 28.0."""
    found = re.findall(rf'"(?:{names})"\s*:\s*(\d+)(?:\.0)?(?![\d.])', raw)
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


def test_stops_that_a_filter_or_guardrail_caused_are_named(rows: list[Row]) -> None:
    causes = Counter((row["provider"], cause) for row in rows if (cause := normal(row).stop_cause))
    assert causes == {
        ("azure", "hate"): 1,
        ("azure", "hate,self-harm,violence"): 1,
        ("bedrock", "sensitiveInformationPolicy"): 4,
    }


def test_times_are_known_where_the_provider_measured_them(rows: list[Row]) -> None:
    known: Counter[tuple[str, str]] = Counter()
    for row in rows:
        result = normal(row)
        for name in ("latency_ms", "time_to_first_token_ms"):
            known[row["provider"], name] += getattr(result, name) is not None
    assert {key: count for key, count in known.items() if count} == {
        ("bedrock", "latency_ms"): 4,
        ("groq", "latency_ms"): 12,
        ("ollama", "latency_ms"): 8,
        ("ollama", "time_to_first_token_ms"): 3,
    }


def test_ollamas_first_token_comes_when_model_and_prompt_are_read(rows: list[Row]) -> None:
    streams = [row for row in rows if row["provider"] == "ollama" and row.get("response_stream")]
    for row in streams:
        result = normal(row)
        body: Any = result.response
        read_ms = (body["load_duration"] + body["prompt_eval_duration"]) / 1e6
        assert result.time_to_first_token_ms == pytest.approx(read_ms, abs=5)
