"""What redaction masks, what it leaves alone, and that it never lets text through by failing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealbook.errors import InvalidInput
from services.ingest.redact import ERROR_TAG, Redactor, Rule, builtin_rules, prefilter

DATA = Path(__file__).parents[3] / "shared/data"
REDACTOR = Redactor(builtin_rules())


def masked(text: str) -> str:
    return REDACTOR.text(text)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to Ada.Lovelace+x@mail.example.co.uk.", "write to [EMAIL]."),
        ("jürgen@müller.de", "[EMAIL]"),
        ("SSN 123-45-6789", "SSN [US_SSN]"),
        ("ssn=123456789;", "ssn=[US_SSN];"),
        ("4111 1111 1111 1111", "[CREDIT_CARD]"),
        ("3782-822463-10005 exp 11/27", "[CREDIT_CARD] exp 11/27"),
        ("4111 1111 1111 1111 123", "[CREDIT_CARD] 123"),
        ("a,7,4111111111111111,123-45-6789,415-555-2671,9", None),
        ("+1 650 253 0000", "[PHONE]"),
        ("+46 (0)8 928 571 38 fax", "[PHONE] fax"),
        ("(415) 555-2671 x12", "[PHONE]"),
        ("415-555-2671, thanks", "[PHONE], thanks"),
        ("my mobile is 0688 872 49 99", "my mobile is [PHONE]"),
        ("call me at 5552671", "call me at [PHONE]"),
        ("DE89 3704 0044 0532 0130 00 is mine", "[IBAN] is mine"),
        ("gb42nawi04454264788619", "[IBAN]"),
    ],
)
def test_personal_data_is_masked(text: str, expected: str | None) -> None:
    assert masked(text) == (expected or "a,7,[CREDIT_CARD],[US_SSN],[PHONE],9")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AKIA" + "IOSFODNN7EXAMPLE", "[AWS_KEY]"),
        ("aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None),
        ("AIza" + "SyA1234567890abcdefghijklmnopqrstuv", "[GCP_KEY]"),
        ("sk-ant-api03-" + "aB3" * 20, "[ANTHROPIC_KEY]"),
        ("sk-proj-" + "aB3" * 20, "[OPENAI_KEY]"),
        ("ghp_" + "a1B2" * 9, "[GITHUB_TOKEN]"),
        ("glpat-" + "a1B2" * 5, "[GITLAB_TOKEN]"),
        ("xoxb-" + "1234567890-abcdef", "[SLACK_TOKEN]"),
        ("sk_live_" + "a1B2c3D4e5F6", "[STRIPE_KEY]"),
        ("SK" + "0123456789abcdef" * 2, "[TWILIO_KEY]"),
        ("SG." + "a1B2c3D4e5F6g7H8i9J0k1" + "." + "a1B2" * 11, "[SENDGRID_KEY]"),
        ("hf_" + "aBcD" * 9, "[HUGGINGFACE_TOKEN]"),
        ("npm_" + "a1B2" * 9, "[NPM_TOKEN]"),
        ("pypi-AgE" + "a1B2" * 15, "[PYPI_TOKEN]"),
        ("AccountKey=" + "a1B2" * 21 + "a1==", "AccountKey=[AZURE_KEY]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "[JWT]"),
        ("postgres://app:p@ss@db/x", "postgres://[URL_CREDENTIALS]@db/x"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: [AUTHORIZATION]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----.", "[PRIVATE_KEY]."),
        ("-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkq\n" * 3, "[PRIVATE_KEY]\n"),
    ],
)
def test_secrets_are_masked(text: str, expected: str | None) -> None:
    assert masked(text) == (expected or "aws_secret_access_key = [AWS_KEY]")


@pytest.mark.parametrize(
    "text",
    [
        "000-12-3456 and 666-12-3456 and 912-34-5678",  # areas never issued
        "4111 1111 1111 1112",  # wrong check digit
        "0.4111111111111111",
        "on 2024-01-15 10:30, from 2019-2020, 12.01.2024",
        "01 02 03 04 05 06 07 08",
        "550e8400-e29b-41d4-a716-446655440000",
        "version 10.4.12.3 build 20240115",
        "icon@2x.png",
        "the bearer of the Basic authentication",
        "order 12345678, total 1,234,567.89",
        "https://example.org/a:b@c",
        "call_1234567890",
    ],
)
def test_look_alikes_stay(text: str) -> None:
    assert REDACTOR.text(text) == (text, {})


def test_keys_and_long_numbers_are_leaves_and_keys_are_context() -> None:
    document: Any = {
        "ada@example.org": {"phone": 6502530000, "card": 4111111111111111, "created": 1700000000},
        "contact": {"mobile": [6502530000, 12]},
        "ratio": 4.5e300,
        "card": 4111111111111111.0,
    }
    result = REDACTOR.scan(document)
    assert result.document == {
        "[EMAIL]": {"phone": "[PHONE]", "card": "[CREDIT_CARD]", "created": 1700000000},
        "contact": {"mobile": ["[PHONE]", 12]},
        "ratio": 4.5e300,
        "card": "[CREDIT_CARD]",
    }
    assert result.hits == {"email": 1, "phone_near_word": 2, "credit_card": 2}


def test_parts_without_a_hit_are_not_copied() -> None:
    document: Any = {"clean": [{"a": "b"}], "mail": "a@example.org"}
    result = REDACTOR.scan(document).document
    assert isinstance(result, dict)
    assert result["clean"] is document["clean"]
    assert document["mail"] == "a@example.org"
    assert REDACTOR.scan(document["clean"]).document is document["clean"]


def test_keys_that_become_equal_keep_all_entries() -> None:
    document: Any = {"a@example.org": 1, "[EMAIL]": 2, "b@example.org": 3}
    assert REDACTOR.scan(document).document == {"[EMAIL]#2": 1, "[EMAIL]": 2, "[EMAIL]#3": 3}


def test_json_inside_strings_is_scanned_as_a_tree() -> None:
    arguments = '{"to": "ada\\u0040example.org", "n": 1}'
    result = REDACTOR.scan({"arguments": arguments})
    assert result.document == {"arguments": '{"to":"[EMAIL]","n":1}'}
    untouched = '{ "to" : "nobody", "n": 1.50 }'
    assert REDACTOR.scan([untouched]).document == [untouched]


def test_a_repeated_key_inside_a_string_does_not_hide_its_first_value() -> None:
    text = '{"a": "ada@example.org", "a": 1}'
    assert REDACTOR.scan(text).document == '{"a":1}'


@pytest.mark.parametrize(
    "text", ["[EMAIL] ada@example.org", "{ada@example.org", '{"a": NaN, "b@c.de']
)
def test_text_that_only_looks_like_json_is_scanned_as_text(text: str) -> None:
    assert "[EMAIL]" in str(REDACTOR.scan(text).document)
    assert "@" not in str(REDACTOR.scan(text).document)


def test_overlapping_matches_are_masked_as_one() -> None:
    rules = (Rule("left", "aab", "[L]"), Rule("right", "bccc", "[R]"))
    assert Redactor(rules).text("xaabcccx") == ("x[R]x", {"right": 1})


def test_a_keyword_that_masking_brings_near_does_not_break_idempotence() -> None:
    far = "phone " + "very-long-address-indeed-it-is@example.org" + " 12345678"
    once, _ = REDACTOR.text(far)
    assert REDACTOR.text(once) == (once, {})


def test_a_rule_that_matches_tags_comes_to_rest() -> None:
    greedy = Redactor((Rule("words", r"\w+", "[X1]"), Rule("all", r".+b", "[Y]")))
    once, _ = greedy.text("a b c [X1] d")
    assert greedy.text(once) == (once, {})


def test_lone_surrogates_are_masked() -> None:
    assert REDACTOR.text("ok \ud800") == (ERROR_TAG, {"redaction_error": 1})
    assert REDACTOR.scan({"\ud800": 1}).document == {ERROR_TAG: 1}


def test_a_failing_validator_masks_the_whole_leaf(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("services.ingest.redact.compiled.VALIDATORS", {"email": broken})
    result = REDACTOR.scan({"a": "mail a@example.org", "b": "clean"})
    assert result.document == {"a": ERROR_TAG, "b": "clean"}
    assert result.hits == {"redaction_error": 1}


def test_an_exhausted_automaton_masks_instead_of_passing(monkeypatch: pytest.MonkeyPatch) -> None:
    # RE2 then reports no match at all, not even that of the pattern that matches everything.
    monkeypatch.setattr(prefilter, "_compiled", lambda _: lambda _: [])
    assert Redactor(builtin_rules()).text("hello") == (ERROR_TAG, {"redaction_error": 1})


def test_rules_too_large_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefilter, "MAX_MEMORY", 2000)
    with pytest.raises(InvalidInput, match="too large together"):
        Redactor(builtin_rules())


def test_past_the_deadline_the_leaf_is_masked() -> None:
    slow = Redactor(builtin_rules(), deadline_ms=1)
    assert slow.text("1 " * 50_000) == (ERROR_TAG, {"redaction_error": 1})


def test_a_document_too_deep_to_judge_is_masked() -> None:
    deep: Any = "a@example.org"
    for _ in range(500):
        deep = [deep]
    result = REDACTOR.scan(deep)
    assert "example.org" not in str(result.document)
    assert result.hits == {"redaction_error": 1}


@pytest.mark.parametrize(
    "bad",
    [
        Rule("r", "(", "[X]"),
        Rule("r", "a*", "[X]"),
        Rule("r", r"\b", "[X]"),
        Rule("r", "(?=x)", "[X]"),
        Rule("r", "a" * 1025, "[X]"),
        Rule("r", r"(?:\pL{100}){10}", "[X]"),
        Rule("r", "\ud800", "[X]"),
        Rule("r", "a", ""),
        Rule("r", "a", "[X]\n"),
        Rule("r", "a", "[X]", "no_such"),
    ],
)
def test_unusable_rules_are_refused_by_name(bad: Rule) -> None:
    with pytest.raises(InvalidInput, match="'r'"):
        Redactor((bad,))


def test_disabled_rules_are_checked_but_do_not_mask() -> None:
    assert masked("10.1.2.3") == "10.1.2.3"
    everything = Redactor([replace(one, enabled=True) for one in builtin_rules()])
    assert everything.text("10.1.2.3, fe80::1:2, born 1990-02-03")[0] == (
        "[IP_ADDRESS], [IP_ADDRESS], born [DATE_OF_BIRTH]"
    )
    with pytest.raises(InvalidInput):
        Redactor((Rule("r", "(", "[X]", enabled=False),))


def test_a_rule_with_a_group_masks_the_group() -> None:
    assert Redactor((Rule("id", r"id=(\d+)", "[ID]"),)).text("id=12 id=345") == (
        "id=[ID] id=[ID]",
        {"id": 2},
    )


def test_the_version_names_the_policy() -> None:
    assert REDACTOR.version == Redactor(builtin_rules()).version
    assert REDACTOR.version != Redactor(builtin_rules()[:-1]).version


def test_real_exchanges_stay_as_they_are_unless_they_hold_a_secret() -> None:
    path = DATA / "exchanges/provider-exchanges.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is missing")
    for line in path.read_text().splitlines():
        document = json.loads(line)
        result = REDACTOR.scan(document)
        if "&sig=" in line:  # links to images, signed for whoever holds them
            assert result.hits == {"azure_key": 1}
        else:
            assert result.document is document
