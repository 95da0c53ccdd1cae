"""What an interaction costs: whose price wins, exact money, and unknown that stays unknown."""

import json
import re
import socket
import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot

from sealbook.contract.usage import Usage
from sealbook.errors import InvalidInput
from services.ingest.price import (
    Cost,
    PriceBook,
    PriceRule,
    price_rules,
    table,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
USAGE = Usage(input=1_000_000, output=1_000_000)
D = Decimal
ARN = "arn:aws:bedrock:us-east-1"


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


def test_own_rule_then_the_providers_figure_then_the_table() -> None:
    rule = PriceRule("*", input=D("0.5"), output=D("1.5"))
    reported = D("0.123")
    for name in ("openrouter", "OpenRouter "):
        told = price(provider=name, model="openai/gpt-4o-mini", reported=reported)
        assert told == Cost(reported, "USD", "reported:openrouter")
    assert total(PriceBook([rule]), reported=reported) == 2
    assert total(reported=None) == D("0.75")
    assert total(reported=D(0)) == 0
    assert total(reported=reported, usage=Usage(), model=None) == reported
    assert total(explicit=D(7), reported=reported) == 7


def test_a_rule_that_does_not_price_all_buckets_leaves_it_to_the_provider_not_to_the_table() -> (
    None
):
    book = PriceBook([PriceRule("gpt-*", input=D(1))])
    assert price(book) is None
    assert price(book, reported=D(3)) == Cost(D(3), "USD", "reported:openai")


def test_a_rule_may_name_the_model_that_answered() -> None:
    book = PriceBook(
        [
            PriceRule("gpt-4o-2024-*", input=D(1), output=D(1)),
            PriceRule("mine", input=D(2), output=D(2)),
        ]
    )
    assert total(book, model="gpt-4o", answered="gpt-4o-2024-08-06") == 2
    assert total(book, model="mine", answered="gpt-4o-2024-08-06") == 4


def test_the_table_prices_what_answered_and_not_an_alias_or_a_deployment() -> None:
    for provider in ("azure", "openai"):
        cheap = price(provider=provider, model="gpt-4", answered="gpt-4o-mini-2024-07-18")
        assert cheap is not None
        assert cheap.source == "genai-prices:openai/gpt-4o-mini"
    assert total(model="gpt-4o-mini", answered=None) == D("0.75")
    assert total(model="gpt-4o-mini", answered="no-such-model") == D("0.75")


def test_bedrocks_id_names_the_region_that_the_answer_does_not() -> None:
    answered = "claude-sonnet-4-5-20250929"
    everywhere, here = (
        total(provider="bedrock", model=f"{where}.anthropic.{answered}-v1:0", answered=answered)
        for where in ("global", "us")
    )
    assert here is not None
    assert everywhere is not None
    assert here == everywhere * D("1.1")


def test_a_service_tier_has_prices_of_its_own_or_is_unknown() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    normal = total(model="gpt-5", at=at)
    assert normal is not None
    assert total(model="gpt-5", at=at, tier="default") == normal
    assert total(model="gpt-5", at=at, tier="priority") == normal * 2
    assert total(model="gpt-5", at=at, tier="flex") == normal / 2
    assert total(model="gpt-5", at=at, tier="scale") is None
    assert total(model="gpt-5", at=datetime(2026, 1, 1, tzinfo=UTC), tier="priority") is None
    assert total(provider="azure", model="gpt-5", at=at, tier="priority") is None


def test_cache_writes_kept_for_an_hour_cost_more() -> None:
    asked = {"provider": "anthropic", "model": "claude-sonnet-4-5", "at": AT}
    usage = Usage(input=0, cache_write=1000, output=0)
    costs = [total(**asked, usage=usage, cache_write_1h=hours) for hours in (None, 400, 1000, 9999)]
    assert costs == [D("0.00375"), D("0.00465"), D("0.006"), D("0.006")]


def test_a_fee_per_request_is_added_and_may_be_all_there_is() -> None:
    fee = PriceRule("m", request=D("0.002"))
    both = PriceRule("n", request=D("0.002"), input=D(1), output=D(1))
    book = PriceBook([fee, both])
    assert total(book, model="m", usage=Usage()) == D("0.002")
    assert total(book, model="n") == D("2.002")
    assert total(book, model="n", usage=Usage()) is None


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


RULE = {"model": "gpt-4o*", "provider": "azure", "input": "2.50", "output": 10, "per": 1000}


def test_rules_are_read_from_json_without_floats() -> None:
    document: Any = {"prices": [{**RULE, "currency": "EUR", "effective_from": "2026-01-01"}]}
    assert price_rules(document) == (
        PriceRule(
            "gpt-4o*",
            "azure",
            input=D("2.50"),
            output=D(10),
            per=1000,
            currency="EUR",
            effective_from=date(2026, 1, 1),
        ),
    )
    assert price_rules({}) == price_rules({"prices": []}) == ()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"input": 2.5}, r'`input` is not exact as a number; write it in quotes, "2.5"'),
        ({"output": float("nan")}, "`output`"),
        ({"per": 1000.0}, "`per`"),
        ({"per": 100}, "`per`"),
        ({"per": True}, "`per`"),
        ({"input": True}, "`input`"),
        ({"input": "x"}, "`input`"),
        ({"input": "NaN"}, "`input`"),
        ({"currency": "dollars"}, "`currency`"),
        ({"effective_from": "soon"}, "`effective_from`"),
        ({"input": None}, "`input`"),
        ({"input": ["1"]}, "`input`"),
        ({"input": "1" * 31 + "e-25"}, "`input` has more than 30 digits"),
        ({"input": "1e-31"}, "`input`"),
        ({"input": "1e9"}, "`input`"),
        ({"input": "-0.1"}, "`input`"),
        ({"model": ""}, "`model`"),
        ({"model": 7}, "`model`"),
        ({"effective_from": 20260101}, "`effective_from`"),
        ({"fee": "1"}, "unknown field 'fee'"),
    ],
)
def test_a_bad_rule_is_refused_with_its_number_and_field(fields: Any, named: str) -> None:
    with pytest.raises(InvalidInput, match=named) as caught:
        price_rules({"prices": [RULE, {**RULE, **fields}]})
    assert "Price rule 2 (" in caught.value.message


@pytest.mark.parametrize(
    ("rule", "named"), [({"model": "m", "per": 1000}, "no price"), ({"input": 1}, "`model`")]
)
def test_a_rule_without_model_or_price_is_refused(rule: Any, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        price_rules({"prices": [rule]})


@pytest.mark.parametrize(
    "document", [None, [], "x", {"price": []}, {"prices": {}}, {"prices": "x"}, {"prices": [1]}]
)
def test_a_document_of_another_form_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput):
        price_rules(document)


def test_the_listing_is_read_again_as_the_same_rules_best_first() -> None:
    rules = (
        PriceRule("*", input=D("0.10"), currency="EUR"),
        PriceRule("gpt-4o", "azure", input=D("1E-7"), effective_from=date(2026, 1, 1), per=1000),
    )
    listing: Any = PriceBook(rules).listing()
    assert [rule["model"] for rule in listing] == ["gpt-4o", "*"]
    assert listing[0]["input"] == "0.0000001"
    assert price_rules({"prices": listing}) == rules[::-1]


PAGE = (Path(__file__).parents[2] / "docs/pricing.md").read_text("utf-8")


def block(kind: str) -> str:
    found = re.search(rf"```{kind}\n(.*?)```", PAGE, re.S)
    assert found
    return found[1]


def test_the_pages_example_is_right() -> None:
    document: Any = tomllib.loads(block("toml"), parse_float=str)
    document["prices"][1]["effective_from"] = "2026-07-01"
    book = PriceBook(price_rules(document))

    def cost(provider: str, model: str, month: int = 7, **usage: int) -> Cost | None:
        at = datetime(2026, month, 3, tzinfo=UTC)
        return price(book, provider=provider, model=model, usage=Usage(**usage), at=at)

    mini = {"input": 1000, "output": 100}
    assert [
        cost("openai", "gpt-4o", input=1000, cache_read=500, output=200),
        cost("azure", "gpt-4o-mini", **mini),
        cost("azure", "gpt-4o-mini", month=6, **mini),
        cost("openai", "gpt-4o", input=1000, audio_input=40),
        cost("cohere", "rerank-v3.5"),
    ] == [
        Cost(D("0.0041"), "USD", "rule:gpt-4o*"),
        Cost(D("0.00014"), "EUR", "rule:gpt-4o-mini@2026-07-01"),
        Cost(D("0.0028"), "USD", "rule:gpt-4o*"),
        None,
        Cost(D("0.002"), "USD", "rule:rerank-*"),
    ]
    assert price_rules(json.loads(block("json"))) == price_rules(document)[:1]
