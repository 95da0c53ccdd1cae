"""Laws of redaction: idempotent, keeps the shape, never grows hits, never raises."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.redact import ERROR_TAG, Redactor, Rule, builtin_rules, scan_answer
from services.ingest.redact.detection import Detection
from services.ingest.redact.tags import Mode

DATA = Path(__file__).parents[3] / "shared/data"
REDACTOR = Redactor(builtin_rules())
KEY = b"k" * 32
# Rules that match tags, words and ends: what a careless user might write.
CARELESS = Redactor(
    (
        Rule("words", r"[a-z]+", "[W0]"),
        Rule("ends", r"^.{3}|.$", "<end>"),
        Rule("near", r"\d+", "[N]", keywords=("phone", "w0")),
        Rule("pair", r"\[.", "x"),
    )
)


class Words:
    """A detector of small words, in tags and out of them."""

    name = "words"

    def detect(self, text: str) -> Sequence[Detection]:
        found = re.finditer(r"phone|[Ee]mail|\bat|é|\d{5}", text)
        return [Detection(one.start(), one.end(), "phone_word") for one in found]


def in_mode(mode: Mode) -> Redactor:
    return Redactor([replace(rule, mode=mode) for rule in builtin_rules()])


REDACTORS = {
    "builtin": REDACTOR,
    "careless": CARELESS,
    "pseudonym": in_mode("pseudonym"),
    "partial": in_mode("partial"),
    "detector": Redactor(builtin_rules(), (Words(),)),
    "careless detector": Redactor((Rule("words", r"[A-Z]+\b", "[W0]"),), (Words(),)),
}
every_redactor = pytest.mark.parametrize("redactor", REDACTORS.values(), ids=REDACTORS.keys())

pieces = st.sampled_from(
    [
        *("ada@example.org", "123-45-6789", "4111 1111 1111 1111", "+1 650 253 0000", "phone "),
        *("[EMAIL]", "[PHONE]#2", "call me 5552671", "415-555-2671", " ", "\n", "-", "1", "@", "."),
        *("https://u:p@h/", "eyJhbGciOiJI.eyJzdWIiOiIx", "-----BEGIN PRIVATE KEY-----", "\ud800"),
        *("[EMAIL:7f3a91c2]", "[EMAIL:12345678]", "[CREDIT_CARD:*1111]", "[PHONE:", "]", "é at "),
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


@every_redactor
@given(document=trees)
@settings(max_examples=300, deadline=None)
def test_a_second_scan_finds_nothing_and_changes_nothing(redactor: Redactor, document: Any) -> None:
    once = redactor.scan(document, KEY)
    twice = redactor.scan(once.document, KEY)
    assert twice.hits == {}
    assert twice.document is once.document


@every_redactor
@given(document=trees)
@settings(max_examples=300, deadline=None)
def test_the_shape_stays_and_a_clean_document_is_itself(redactor: Redactor, document: Any) -> None:
    result = redactor.scan(document, KEY)
    assert same_shape(document, result.document)
    if not result.hits and '"' not in str(document):
        assert result.document is document


@every_redactor
@given(text=texts)
@settings(max_examples=300, deadline=None)
def test_the_findings_put_into_the_text_give_what_is_masked(redactor: Redactor, text: str) -> None:
    masked, hits = redactor.text(text, key=KEY)
    pieces, position = [], 0
    for finding in redactor.explain(text, KEY):
        assert position <= finding.start < finding.end
        pieces += text[position : finding.start], finding.replacement
        position = finding.end
    assert "".join([*pieces, text[position:]]) == masked
    assert bool(pieces) == bool(hits)


@given(local=st.from_regex(r"[a-z][a-z0-9._]{0,20}[a-z0-9]", fullmatch=True), key=st.binary())
@settings(deadline=None)
def test_one_address_has_one_pseudonym_in_any_case_and_place(local: str, key: bytes) -> None:
    redactor = REDACTORS["pseudonym"]
    alone, _ = redactor.text(f"{local}@example.org", key=key)
    if not key:
        assert alone == ERROR_TAG
        return
    inside = redactor.scan({"a": f"<{local.upper()}@Example.org>"}, key).document
    assert inside == {"a": f"<{alone}>"}


cuts = st.lists(st.integers(0, 40), max_size=4).map(sorted)


@every_redactor
@given(document=trees, text=texts, cuts=cuts)
@settings(max_examples=150, deadline=None)
def test_an_answer_says_no_more_in_pieces_than_whole(
    redactor: Redactor, document: Any, text: str, cuts: list[int]
) -> None:
    pieces = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
    answer = {"other": document, "blocks": [{"type": "text", "text": one} for one in pieces]}
    once = scan_answer(redactor.keyed(KEY), answer)
    twice = scan_answer(redactor.keyed(KEY), once.document)
    assert (twice.document, twice.hits) == (once.document, {})
    assert isinstance(once.document, dict) or once.document == ERROR_TAG
    if "text" in str(once.document):  # no careless rule masked the names of the fields
        blocks: Any = once.document["blocks"]
        if isinstance(blocks, list) and all("text" in one for one in blocks):
            whole = "".join(str(one["text"]) for one in blocks)
            assert redactor.keyed(KEY).text(whole) == (whole, {})


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
