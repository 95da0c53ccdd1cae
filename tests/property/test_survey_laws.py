"""The law of the survey: one look at a whole document finds what a look at each text would."""

import json
from copy import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.redact import Redactor, Rule, builtin_rules
from services.ingest.redact.redactor import Redacted

# Whatever may tell the middle of a text from its ends, or one text from its neighbours.
EDGES = Redactor(
    (
        Rule("first", r"^ab?c?", "[A]"),
        Rule("last", r"(?:b|é|1)$", "[B]"),
        Rule("whole", r"^x.*y$", "[C]"),
        Rule("word", r"\bé?foo\b", "[D]"),
        Rule("inside", r"\B1\B", "[E]"),
    )
)
GREEDY = Redactor(
    (
        Rule("not_letters", r"[^a-z]*\d[^a-z]*!?", "[A]"),
        Rule("dot_all", r"(?s)a(?:.*b)?", "[B]"),
        Rule("lines", r"(?m)^-+$", "[C]"),
        Rule("any_case", r"(?i)É\s*foo", "[D]"),
        Rule("late", r"(?s)foo.*?(y)", "[E]"),
        Rule("ungreedy", r"(?U)x[^y]*\n*z?", "[F]"),
    )
)
CLASSES = Redactor(
    (
        Rule("numerals", r"\pN{3,}", "[A]"),
        Rule("letters", r"\p{Greek}+|[[:upper:]]{3}", "[B]"),
        Rule("bytes", r"é\C{2}", "[C]"),
        Rule("spaces", r"\S\s+\S\s+1", "[D]", keywords=("foo",)),
        Rule("token", r"(?:x|y)\s+(\w+)", "[E]", "token"),
    )
)
ENDS = Redactor((Rule("start", r"\Aab", "[A]"), Rule("end", r"b\z", "[B]"), Rule("c", "1", "[C]")))
LEFT_MODE = Redactor((Rule("one_line", r"(?-m)^x|(?i-m:y$)", "[A]"), Rule("c", "foo", "[C]")))
REDACTORS = {
    "builtin": Redactor(builtin_rules()),
    "edges": EDGES,
    "greedy": GREEDY,
    "classes": CLASSES,
    "ends of the whole": ENDS,
    "switched modes": LEFT_MODE,
}

PIECES = [
    *(
        "a",
        "b",
        "c",
        "ab",
        "x",
        "y",
        "z",
        "1",
        "12",
        "foo",
        "é",
        "É",
        "Ω",
        "٣",
        "!",
        "-",
        "@",
        ".",
        " ",
    ),
    *("\n", "\r\n", "\t", "\u2028", "\0", "{", "[", '"', "\\", "\ud800", "\U0001f600"),
    *("ada@example.org", "123-45-6789", "123-45-", "6789", "4111 1111 1111 1111", "4111", "phone"),
    *("+1 650 253 0000", "5552671", "-----BEGIN PRIVATE KEY-----", "sk-ant-" + "a1" * 12),
    *("PuTTY-User-Key-File-2", "Private-MAC: 0f", "https://u:p@h/", "[EMAIL]", "[A]"),
]
texts = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=5).map("".join), st.text(max_size=6), st.just("")
)
numbers = st.one_of(
    st.integers(-(10**20), 10**20),
    st.sampled_from([4111111111111111, 123456789, 99999999, 100000000, -4111111111111111]),
    st.sampled_from([4111111111111111.0, 1e300, 123456789.5, -0.0, float("nan"), float("inf")]),
    st.floats(),
)
unwritable = st.just(5000).map(lambda digits: 10**digits)  # more digits than Python writes out
leaves = st.one_of(texts, texts, numbers, st.sampled_from([None, True, False]))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(texts, inner, max_size=4),
        st.dictionaries(texts, inner, max_size=2).map(json.dumps),
    ),
    max_leaves=15,
)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """Trees in which the same list or object may stand at several places."""
    shared = draw(st.lists(trees, min_size=1, max_size=3))
    places = draw(st.lists(st.sampled_from(shared) | trees | unwritable, max_size=4))
    return [*shared, {"phone": places, "é": [places, shared]}, *places]


def unsurveyed(redactor: Redactor) -> Redactor:
    """The same rules, asked at every text."""
    other = copy(redactor)
    other._survey = None
    return other


def told(result: Redacted) -> tuple[str, dict[str, int]]:
    """NaN is not equal to itself, and 1 is equal to True."""
    return repr(result.document), result.hits


@pytest.mark.parametrize("redactor", REDACTORS.values(), ids=REDACTORS.keys())
@given(document=documents())
@settings(max_examples=200, deadline=None)
def test_a_document_is_masked_the_same_with_and_without_a_survey(
    redactor: Redactor, document: Any
) -> None:
    assert told(redactor.scan(document)) == told(unsurveyed(redactor).scan(document))
