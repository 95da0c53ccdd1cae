"""What an interaction costs: whose price wins, exact money, and unknown that stays unknown."""

import socket
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot

from sealbook.contract.usage import Usage
from sealbook.errors import InvalidInput
from services.ingest.price import Cost, PriceBook, PriceRule, load_price_rules, table

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
USAGE = Usage(input=1_000_000, output=1_000_000)
D = Decimal


def price(book: PriceBook | None = None, **given: Any) -> Cost | None:
    asked = {"provider": "openai", "model": "gpt-4o-mini", "usage": USAGE, "at": AT, **given}
    return (book or PriceBook()).price(**asked)


def total(book: PriceBook | None = None, **given: Any) -> Decimal | None:
    cost = price(book, **given)
    return None if cost is None else cost.total


def test_explicit_cost_wins_over_all() -> None:
    book = PriceBook([PriceRule("*", input=D(1), output=D(1))])
    assert price(book, explicit=D("0.07"), currency="EUR") == Cost(D("0.07"), "EUR", "explicit")
    assert price(book, explicit=D(0), model=None) == Cost(D(0), "USD", "explicit")


@pytest.mark.parametrize("odd", [D("NaN"), D("Infinity"), D(-1)])
def test_an_explicit_cost_that_is_no_money_is_unknown(odd: Decimal) -> None:
    assert price(explicit=odd) is None


def test_own_rule_wins_over_the_table_and_is_named() -> None:
    rule = PriceRule("GPT-4O*", input=D("0.5"), output=D("1.5"), effective_from=date(2026, 1, 1))
    assert price(PriceBook([rule])) == Cost(D(2), "USD", "rule:GPT-4O*@2026-01-01")
    assert price(PriceBook([rule]), model="gpt-4.1") != price(PriceBook([rule]))


def test_most_specific_rule_first_then_most_recently_effective() -> None:
    def rule(model: str, since: date | None, amount: int, provider: str | None = None) -> PriceRule:
        return PriceRule(model, provider, input=D(amount), output=D(0), effective_from=since)

    book = PriceBook(
        [
            rule("*", date(2026, 2, 1), 1),
            rule("gpt-*", None, 2),
            rule("gpt-4o-*", None, 3),
            rule("gpt-4o-mini", date(2026, 1, 1), 4),
            rule("gpt-4o-mini", date(2026, 2, 1), 5),
            rule("gpt-4o-mini", date(2026, 4, 1), 6),
            rule("gpt-4o-mini", None, 7, provider="azure"),
        ]
    )
    assert total(book) == 5
    assert total(book, at=datetime(2026, 1, 15, tzinfo=UTC)) == 4
    assert total(book, at=datetime(2025, 1, 1, tzinfo=UTC)) == 3
    assert total(book, provider="azure") == 7
    assert total(book, model="gpt-5") == 2
    assert total(book, model="llama") == 1


def test_per_thousand_and_other_currencies() -> None:
    book = PriceBook([PriceRule("m", input=D("0.1"), output=D("0.2"), per=1000, currency="EUR")])
    usage = Usage(input=1, output=2)
    assert price(book, model="m", usage=usage) == Cost(D("0.0005"), "EUR", "rule:m")


def test_buckets_are_priced_apart() -> None:
    rule = PriceRule("m", input=D(1), cache_read=D("0.1"), cache_write=D(2), output=D(10))
    usage = Usage(input=100, cache_read=1000, cache_write=10, output=5, reasoning=5)
    assert total(PriceBook([rule]), model="m", usage=usage) == D("0.00032")


@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        Usage(input=1, output=1, cache_read=1),  # no price for cache reads
        Usage(input=1),  # output costs money and was not told
        Usage(output=1),
        Usage(input=-1, output=1),
    ],
)
def test_unknown_usage_or_unpriced_bucket_is_unknown(usage: Usage) -> None:
    book = PriceBook([PriceRule("m", input=D(1), output=D(1))])
    assert price(book, model="m", usage=usage) is None


def test_a_bucket_of_zero_tokens_needs_no_price() -> None:
    book = PriceBook([PriceRule("m", input=D(1), output=D(1))])
    assert total(book, model="m", usage=Usage(input=0, output=1_000_000, cache_read=0)) == 1


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


def test_rules_are_read_from_toml_without_floats() -> None:
    text = """
    [[price]]
    model = "gpt-4o*"
    provider = "azure"
    input = 2.50
    output = "10.1"
    per = 1000
    currency = "EUR"
    effective_from = 2026-01-01
    """
    assert load_price_rules(text) == (
        PriceRule(
            "gpt-4o*",
            "azure",
            input=D("2.50"),
            output=D("10.1"),
            per=1000,
            currency="EUR",
            effective_from=date(2026, 1, 1),
        ),
    )
    assert load_price_rules("") == ()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("input = -1", "`input`"),
        ("input = nan", "`input`"),
        ("input = true", "`input`"),
        ('input = "x"', "`input`"),
        ("input = 1\nper = 100", "`per`"),
        ("input = 1\nper = 1000.5", "`per`"),
        ('input = 1\ncurrency = "dollars"', "`currency`"),
        ('input = 1\neffective_from = "soon"', "`effective_from`"),
        ("input = 1\neffective_from = 2026-01-01T00:00:00Z", "`effective_from`"),
        ("input = 1\nprice_out = 1", "'price_out'"),
        ("per = 1000", "no price"),
        ("input = ", "not TOML"),
    ],
)
def test_a_bad_rule_is_refused_with_its_name_and_field(line: str, named: str) -> None:
    with pytest.raises(InvalidInput, match=named) as caught:
        load_price_rules(f'[[price]]\nmodel = "m-1"\n{line}')
    assert "'m-1'" in caught.value.message or "TOML" in caught.value.message


@pytest.mark.parametrize(
    "text", ["[price]\nmodel='x'", "[[prices]]", "price = [1]", "[[price]]\ninput = 1"]
)
def test_a_file_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        load_price_rules(text)
