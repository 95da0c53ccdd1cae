"""JSON from outside: what the standard allows comes in exactly, what later readers cannot hold is
refused with its place, and no message quotes what was sent. Cases: nst/JSONTestSuite."""

import base64
import json
from functools import cache
from pathlib import Path

import pytest

from sealbook.contract.documents import (
    MAX_CONTAINERS,
    MAX_DEPTH,
    MAX_VALUES,
    JsonValue,
    canonical,
    check,
    compact,
    parse,
)
from sealbook.errors import InvalidInput

CASES = Path(__file__).parents[3] / "shared/data/json/jsontestsuite/cases.jsonl"
CANARY = "canary-7f3a"
LONE_SURROGATE = r'"\ud800"'


@cache
def cases(verdict: str) -> dict[str, bytes]:
    if not CASES.exists():
        pytest.skip(f"JSONTestSuite is not at {CASES}")
    rows = map(json.loads, CASES.read_text("utf-8").splitlines())
    return {
        row["name"]: base64.b64decode(row["body_base64"])
        for row in rows
        if row["verdict"] == verdict
    }


def nested(depth: int, innermost: str = "1") -> bytes:
    return ("[" * depth + innermost + "]" * depth).encode()


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse(body)
    return str(caught.value)


def test_what_json_must_accept_comes_in_with_its_value() -> None:
    assert len(cases("accept")) == 95
    for name, body in cases("accept").items():
        assert parse(body) == json.loads(body), name


def test_what_json_must_refuse_is_refused() -> None:
    assert len(cases("reject")) == 188
    for name, body in cases("reject").items():
        with pytest.raises(InvalidInput):
            parse(body)
            pytest.fail(f"{name} was accepted")


def test_what_json_leaves_open_is_accepted_or_refused_and_nothing_else() -> None:
    accepted = 0
    for name, body in cases("either").items():
        try:
            document = parse(body)
        except InvalidInput:
            continue
        accepted += 1
        assert parse(compact(document)) == document, name
    assert 0 < accepted < len(cases("either")) == 57


def test_no_refusal_quotes_the_body() -> None:
    refused = 0
    for verdict in ("reject", "either"):
        for body in cases(verdict).values():
            for planted in (
                f'["{CANARY}", '.encode() + body + b"]",
                body + f' "{CANARY}"'.encode(),
                body.replace(b'"', f'"{CANARY}'.encode(), 1) + b"]",
            ):
                try:
                    parse(planted)
                except InvalidInput as error:
                    refused += 1
                    assert "canary" not in str(error)
                    assert error.__cause__ is None
    assert refused > 600


@pytest.mark.parametrize("digits", [19, 20, 40, 4000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_integers_of_any_size_stay_exact(sign: str, digits: int) -> None:
    number = int(sign + "9" * digits)
    read = parse(f"[{number}]")
    assert read == [number]
    assert type(read[0]) is int  # type: ignore[index]
    assert compact(read) == canonical(read) == f"[{number}]".encode()


def test_of_duplicate_keys_the_last_one_wins() -> None:
    assert parse(b'{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize("innermost", ["1", "", '{"a":1}'])
def test_nesting_of_64_is_allowed_and_of_65_refused(innermost: str) -> None:
    inside = innermost.startswith("{")
    assert parse(nested(MAX_DEPTH - inside, innermost)) is not None
    assert "deeper than 64" in refusal(nested(MAX_DEPTH + 1 - inside, innermost))


@pytest.mark.parametrize("depth", [66, 150, 100_000])
def test_deep_nesting_is_refused_and_does_not_exhaust_the_stack(depth: int) -> None:
    assert refusal(b"[" * depth + b"]" * depth)
    assert refusal(b'{"a":' * depth + b"1" + b"}" * depth)


def test_a_wide_document_is_not_a_deep_one() -> None:
    assert parse(b"[" + b"[[]]," * 1000 + b"[]]") is not None


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"1e999", "at the top is"),
        (b"-1e999", "at the top is"),
        (b"[0, 1e400]", "at /1 is"),
        (b'{"request": {"items": [{"n": 1e131000}]}}', "at /request/items/0/n is"),
        (b'{"a/b": {"m~n": [1.0, -1e309]}}', "at /a~1b/m~0n/1 is"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_with_its_pointer(body: bytes, place: str) -> None:
    assert place in refusal(body)


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity", b"nan", b"[1, NaN]"])
def test_words_for_numbers_are_not_json(word: bytes) -> None:
    assert "not valid JSON" in refusal(word)


def test_the_largest_double_is_finite() -> None:
    assert parse(b"[1.7976931348623157e308, 1e-999]") == [1.7976931348623157e308, 0.0]


@pytest.mark.parametrize(
    "body",
    [
        LONE_SURROGATE.encode(),
        rb'["\udc00"]',
        rb'{"\ud800": 1}',
        rb'"\ud800\ud800"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
    ],
)
def test_text_that_is_no_unicode_is_refused(body: bytes) -> None:
    assert "not valid JSON" in refusal(body)


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse(rb'"\ud83d\ude00"') == "\N{GRINNING FACE}"


def test_nul_characters_are_kept() -> None:
    assert parse(rb'{"a\u0000": "\u0000"}') == {"a\0": "\0"}


def test_values_that_were_never_json_are_checked_alike() -> None:
    with pytest.raises(InvalidInput, match="at /a/0 is"):
        check({"a": [float("nan")]})


def test_canonical_form_sorts_keys_and_has_no_white_space() -> None:
    document: JsonValue = {"b": [1, 2.5, None, True], "a": {"é": "ü\n", "Z": ""}}
    assert canonical(document) == '{"a":{"Z":"","é":"ü\\n"},"b":[1,2.5,null,true]}'.encode()


def test_compact_form_keeps_the_order_of_keys() -> None:
    assert compact({"b": "é", "a": [1, {}]}) == '{"b":"é","a":[1,{}]}'.encode()


def listed(value: str, count: int) -> bytes:
    return ("[" + ",".join([value] * count) + "]").encode()


@pytest.mark.parametrize("value", ["1.5", '"a"', '"a,b"', r'"\",\\"', r'"\\"'])
def test_no_more_values_than_can_be_held(value: str) -> None:
    assert parse(listed(value, MAX_VALUES)) == [json.loads(value)] * MAX_VALUES
    assert f"{MAX_VALUES + 1:,} values" in refusal(listed(value, MAX_VALUES + 1))


def test_commas_in_strings_separate_no_values() -> None:
    table = 'a,b\n"c",\\' * MAX_VALUES
    assert parse(json.dumps({"csv": table}).encode()) == {"csv": table}
    assert parse(json.dumps([table])) == [table]


def test_no_more_objects_and_arrays_than_can_be_held_those_in_strings_included() -> None:
    assert len(str(parse(listed("[]", MAX_CONTAINERS - 1)))) > MAX_CONTAINERS
    assert "objects and arrays" in refusal(listed("[]", MAX_CONTAINERS))
    assert "objects and arrays" in refusal(json.dumps("[" * (MAX_CONTAINERS + 1)).encode())
