"""Own prices as JSON: read without floats, refused by number and field."""

import json
import re
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pricing import D, price

from sealbook.contract.usage import Usage
from sealbook.errors import InvalidInput
from services.ingest.price import (
    Cost,
    PriceBook,
    PriceRule,
    price_rules,
)

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
