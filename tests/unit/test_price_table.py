"""Prices from the maintained table: the right entry, the right day, exact money."""

import socket
from datetime import UTC, datetime

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from pricing import ARN, AT, USAGE, D, price, total

from sealbook.contract.usage import Usage
from services.ingest.price import (
    PriceBook,
    PriceRule,
    table,
)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", None),
        ("openai", ""),
        ("", "gpt-4o"),
        ("openai", "no-such-model"),
        ("ollama", "llama3"),
        ("openai-compatible", "gpt-4o"),
        ("azure", "my-deployment"),
        ("bedrock", f"{ARN}:123456789012:application-inference-profile/abc"),
        ("bedrock", f"{ARN}:123456789012:provisioned-model/abc"),
        ("openrouter", "openai/gpt-4o-mini:floor"),
        ("openai", "openai/gpt-4o"),
        ("openai", "\ud800[*?"),
        ("o" * 10_000, "m" * 10_000),
    ],
)
def test_unknown_models_are_unknown_never_free(provider: str, model: str | None) -> None:
    assert price(provider=provider, model=model) is None


@pytest.mark.parametrize(
    ("provider", "model", "source"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", "genai-prices:openai/"),
        ("azure", "gpt-5-nano", "genai-prices:openai/gpt-5-nano"),
        ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0", "genai-prices:aws/"),
        ("google", "gemini-1.5-pro", "genai-prices:google/"),
        ("vertex_ai", "gemini-1.5-pro", "genai-prices:google/"),
        ("together", "mistralai/Mixtral-8x7B-Instruct-v0.1", "genai-prices:together/"),
        ("groq", "llama3-8b-8192", "genai-prices:groq/"),
        ("az.ai.openai", "gpt-4o", "genai-prices:openai/gpt-4o"),
        ("gcp.vertex_ai", "gemini-2.5-flash", "genai-prices:google/gemini-2.5-flash"),
        ("google", "models/gemini-2.5-flash", "genai-prices:google/gemini-2.5-flash"),
        ("vertex_ai", "publishers/google/models/gemini-2.5-flash", "genai-prices:google/gemini-"),
        ("vertex_ai", "publishers/anthropic/models/claude-sonnet-4@20250514", "genai-prices:goog"),
        ("aws.bedrock", "eu.anthropic.claude-sonnet-4-20250514-v1:0", "genai-prices:aws/regional"),
        ("bedrock", f"{ARN}::foundation-model/amazon.nova-lite-v1:0", "genai-prices:aws/amazon.n"),
        ("openrouter", "anthropic/claude-3.5-sonnet", "genai-prices:openrouter/anthropic/claude-"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::id", "genai-prices:openai/ft:gpt-4o-mini"),
        ("deepseek", "deepseek-chat", "genai-prices:deepseek/"),
    ],
)
def test_our_providers_are_found_in_the_table(provider: str, model: str, source: str) -> None:
    cost = price(provider=provider, model=model)
    assert cost is not None
    assert cost.source.startswith(source)
    assert cost.total > 0


def test_cached_tokens_are_not_counted_twice() -> None:
    plain = total(usage=Usage(input=1000, output=0))
    cached = total(usage=Usage(input=0, cache_read=1000, output=0))
    assert plain is not None
    assert cached == plain / 2


def test_every_model_costs_what_the_library_itself_says() -> None:
    ours = Usage(input=300_000, cache_read=20_000, output=1000, reasoning=500)
    theirs = genai_prices.Usage(
        input_tokens=320_000,
        cache_read_tokens=20_000,
        output_tokens=1500,
        output_reasoning_tokens=500,
    )
    compared = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            rates = table.rates(model, AT)
            if not {"input", "output"} <= rates.prices.keys():
                continue
            expected = model.calc_price(theirs, provider, genai_request_timestamp=AT).total_price
            assert rates.cost(ours) == expected, (provider.id, model.id)
            compared += 1
    assert compared > 1000


def test_off_peak_hours_are_not_hidden_by_the_cache() -> None:
    book = PriceBook()
    timed = [
        (provider.id, model)
        for provider in get_snapshot().providers
        for model in provider.models
        if table.changes_within_a_day(model)
    ]
    for provider, model in timed:
        for hour in range(24):
            at = datetime(2025, 7, 1, hour, 45, tzinfo=UTC)
            found = table.find(provider, model.id)
            assert found is not None
            assert total(book, provider=provider, model=model.id, at=at) == table.rates(
                found[1], at
            ).cost(USAGE)


def test_odd_times_do_not_raise() -> None:
    for at in (datetime.min, datetime.max, datetime.min.replace(tzinfo=UTC), datetime(2026, 1, 1)):
        assert price(at=at) is not None


def test_huge_counts_stay_exact() -> None:
    usage = Usage(input=2**63 + 1, output=0)
    book = PriceBook([PriceRule("m", input=D("0.000000001"), output=D(1))])
    assert total(book, model="m", usage=usage) == D(2**63 + 1).scaleb(-15)


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert price() is not None
    assert get_snapshot().from_auto_update is False
