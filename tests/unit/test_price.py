"""What an interaction costs: whose price wins, and unknown that stays unknown."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pricing import AT, D, price, total

from sealbook.contract.usage import Usage
from services.ingest.price import (
    Cost,
    PriceBook,
    PriceRule,
)


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
