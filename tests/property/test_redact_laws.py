"""Laws of redaction: idempotent, keeps the shape, never grows hits, never raises."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.redact import Redactor, Rule, builtin_rules

DATA = Path(__file__).parents[3] / "shared/data"
REDACTOR = Redactor(builtin_rules())
# Rules that match tags, words and ends: what a careless user might write.
CARELESS = Redactor(
    (
        Rule("words", r"[a-z]+", "[W0]"),
        Rule("ends", r"^.{3}|.$", "<end>"),
        Rule("near", r"\d+", "[N]", keywords=("phone", "w0")),
        Rule("pair", r"\[.", "x"),
    )
)

pieces = st.sampled_from(
    [
        *("ada@example.org", "123-45-6789", "4111 1111 1111 1111", "+1 650 253 0000", "phone "),
        *("[EMAIL]", "[PHONE]#2", "call me 5552671", "415-555-2671", " ", "\n", "-", "1", "@", "."),
        *("https://u:p@h/", "eyJhbGciOiJI.eyJzdWIiOiIx", "-----BEGIN PRIVATE KEY-----", "\ud800"),
    ]
)
texts = st.one_of(st.text(st.characters(), max_size=30), st.lists(pieces, max_size=8).map("".join))
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), texts, st.integers(10**8, 10**19)
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(texts, inner, max_size=4),
        st.dictionaries(texts, inner, max_size=2).map(json.dumps),
    ),
    max_leaves=12,
)


def same_shape(before: Any, after: Any) -> bool:
    if isinstance(before, dict) and isinstance(after, dict):
        return same_shape(list(before.values()), list(after.values()))
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(same_shape, before, after))
    return after is before or (isinstance(after, str) and not isinstance(before, dict | list))


@pytest.mark.parametrize("redactor", [REDACTOR, CARELESS], ids=["builtin", "careless"])
@given(document=trees)
@settings(max_examples=300, deadline=None)
def test_a_second_scan_finds_nothing_and_changes_nothing(redactor: Redactor, document: Any) -> None:
    once = redactor.scan(document)
    twice = redactor.scan(once.document)
    assert twice.hits == {}
    assert twice.document is once.document


@pytest.mark.parametrize("redactor", [REDACTOR, CARELESS], ids=["builtin", "careless"])
@given(document=trees)
@settings(max_examples=300, deadline=None)
def test_the_shape_stays_and_a_clean_document_is_itself(redactor: Redactor, document: Any) -> None:
    result = redactor.scan(document)
    assert same_shape(document, result.document)
    if not result.hits and '"' not in str(document):
        assert result.document is document


@given(text=texts)
@settings(max_examples=300, deadline=None)
def test_a_clear_field_is_judged_like_a_document(text: str) -> None:
    masked, hits = REDACTOR.text(text)
    assert REDACTOR.text(masked) == (masked, {})
    assert (masked == text) or hits


def test_naughty_strings_are_survived_and_stay_quiet() -> None:
    path = DATA / "json/naughty/blns.json"
    if not path.exists():
        pytest.skip(f"{path} is missing")
    strings = json.loads(path.read_text())
    once = REDACTOR.scan({"strings": strings, **{text: text for text in strings}})
    twice = REDACTOR.scan(once.document)
    assert twice.hits == {}
    assert twice.document is once.document
