"""Redaction with input made to be slow, large or odd: it ends, and lets nothing through."""

import time
from copy import copy
from typing import Any

import pytest

from services.ingest.redact import ERROR_TAG, Redactor, Rule, builtin_rules, prefilter
from services.ingest.redact.survey import Survey

REDACTOR = Redactor(builtin_rules())
EMAIL = "ada@example.org"


def seconds(redactor: Redactor, document: Any) -> float:
    began = time.process_time()
    redactor.scan(document)
    return time.process_time() - began


def test_keys_that_all_become_the_same_take_linear_time() -> None:
    document: Any = {f"a{number}@example.org": number for number in range(20_000)}
    assert seconds(REDACTOR, document) < 2
    masked = REDACTOR.scan(document).document
    assert isinstance(masked, dict)
    assert len(masked) == 20_000
    assert list(masked)[:2] == ["[EMAIL]", "[EMAIL]#2"]


def test_a_pattern_that_looks_to_the_end_from_each_match_ends_in_time() -> None:
    rules = (Rule("far", "(?s)x(?:.*y)?", "[FAR]"),)
    document: Any = ["x" + "a" * 50] * 40_000
    patient = Redactor(rules, deadline_ms=400)
    assert seconds(patient, document) < 5  # looked at together, it takes a minute
    assert patient.scan(document).hits == {"far": 40_000}


def test_an_exhausted_survey_leaves_the_judgement_to_each_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    survey = Survey((), deadline_ms=1000)
    monkeypatch.setattr(survey._prefilter, "match", lambda _: [])
    assert survey.suspects(["a"]) is None
    monkeypatch.setattr(prefilter, "_compiled", lambda _: lambda _: [])
    assert Redactor(builtin_rules()).scan(["hello"]).document == [ERROR_TAG]


def test_a_document_that_holds_itself_ends_in_a_tag() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert ERROR_TAG in str(REDACTOR.scan(circle).document)


def test_a_great_many_texts_are_judged_one_by_one() -> None:
    document: Any = ["clean"] * 200_000 + [EMAIL]
    masked = REDACTOR.scan(document)
    assert masked.hits == {"email": 1}
    assert isinstance(masked.document, list)
    assert masked.document[-1] == "[EMAIL]"


def test_the_memory_of_clean_texts_holds_no_long_keys() -> None:
    redactor = Redactor(builtin_rules())
    for number in range(20):
        redactor.scan({f"{'k' * 10_000}{number}": "gpt-4.1-2025-04-14"})
    redactor.scan({"model": "gpt-4.1-2025-04-14"})
    assert redactor._leaf._clean == {("gpt-4.1-2025-04-14", "\nmodel")}


def test_what_was_clean_under_one_key_is_judged_anew_under_another() -> None:
    redactor = Redactor(builtin_rules())
    for _ in range(2):
        assert redactor.scan({"count": "5552671-12"}).hits == {}
        assert redactor.scan({"phone": "5552671-12"}).hits == {"phone_near_word": 1}
        assert copy(redactor).keyed(b"k").scan({"phone": "5552671-12"}).hits


def test_a_refused_match_hides_no_good_one_that_begins_before_its_group() -> None:
    rule = Rule("token", r"(?:id|name)\s+(\w+)", "[T]", "token")
    assert Redactor((rule,)).text("name id X1") == ("name id [T]", {"token": 1})


@pytest.mark.parametrize("replacement", ["*", " ", "x", "***"])
def test_a_replacement_that_stands_in_other_text_takes_no_keyword_away(replacement: str) -> None:
    redactor = Redactor([*builtin_rules(), Rule("own", "secret", replacement)])
    for text in ("**Phone:** 5552671", "my phone is 5552671", "fax: 5552671"):
        assert "5552671" not in redactor.text(text)[0]


@pytest.mark.parametrize(
    "text", ["MÓVIL 612345678", "TELÉFONO: 5552671", "TÉL. 5552671", "Te\u0301l. 5552671"]
)
def test_keywords_with_accents_are_known_in_capitals_and_decomposed(text: str) -> None:
    assert "[PHONE]" in REDACTOR.text(text)[0]
