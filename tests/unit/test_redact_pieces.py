"""Answers in pieces: what no piece says alone is masked in all of them."""

import json
import time
from copy import deepcopy
from typing import Any

import pytest

from services.ingest.redact import ERROR_TAG, Redactor, Rule, builtin_rules, scan_answer

REDACTOR = Redactor(builtin_rules())
PIECES = ("My SSN is 123-45", "-67", "89. Bye.")
MASKED = ["My SSN is [US_SSN]", "", ". Bye."]


@pytest.mark.parametrize(
    "item",
    [
        lambda text: text,
        lambda text: {"piece": text},
        lambda text: {"type": "text", "text": text},
        lambda text: {"id": 1, "choices": [{"delta": {"content": text}}]},
        lambda text: [[{"token": text}], "other"],
    ],
)
def test_pieces_in_a_list_are_read_as_one_text(item: Any) -> None:
    document: Any = {"kept": ["a"], "answer": [item(text) for text in PIECES]}
    before = deepcopy(document)
    result = scan_answer(REDACTOR, document)
    assert result.document == {"kept": ["a"], "answer": [item(text) for text in MASKED]}
    assert result.hits == {"us_ssn": 1}
    assert document == before
    assert scan_answer(REDACTOR, result.document).hits == {}


def test_pieces_between_others_are_found() -> None:
    parts: Any = [{"text": "123-45"}, {"call": {"name": "f"}}, {"text": "-6789"}]
    assert scan_answer(REDACTOR, parts).document == [
        {"text": "[US_SSN]"},
        {"call": {"name": "f"}},
        {"text": ""},
    ]


def test_items_without_anything_private_are_kept_as_they_are() -> None:
    document: Any = {"choices": [{"text": "415"}, {"text": "555 "}], "embedding": [0.1, 0.2]}
    assert scan_answer(REDACTOR, document).document is document


def test_the_bytes_of_masked_tokens_are_not_kept() -> None:
    def token(text: str) -> dict[str, Any]:
        return {"token": text, "logprob": -1.0, "bytes": [*text.encode()]}

    document: Any = {"content": [token(text) for text in ("to ", "ada", "@example", ".org", "!")]}
    answer = scan_answer(REDACTOR, document).document
    assert isinstance(answer, dict)
    tokens: Any = answer["content"]
    assert [one["token"] for one in tokens] == ["to ", "[EMAIL]", "", "", "!"]
    assert [one["bytes"] for one in tokens] == [[*b"to "], None, None, None, [*b"!"]]
    # Also where a token says all of it alone.
    ada = Redactor((Rule("ada", "Ada", "[NAME]"),))
    assert scan_answer(ada, token("Ada")).document == token("[NAME]") | {"bytes": None}


def test_json_in_pieces_that_hides_something_is_masked_whole() -> None:
    text = json.dumps({"to": "ada@example.org"}).replace("@", "\\u0040")
    pieces: Any = [{"arguments": text[:14]}, {"arguments": text[14:]}]
    result = scan_answer(REDACTOR, pieces)
    assert result.document == [{"arguments": ERROR_TAG}, {"arguments": ""}]
    assert result.hits == {"redaction_error": 1}


def test_two_rows_that_share_pieces_are_both_masked() -> None:
    document: Any = [["123-45", "-6789 "], ["+1 650", " 253 0000"]]
    masked = str(scan_answer(REDACTOR, document).document)
    assert "6789" not in masked
    assert "253" not in masked


def test_events_of_a_stream_that_is_no_json_are_read_as_one_text() -> None:
    stream = "event: token\ndata: My SSN is 123-45\n\ndata: -6789 \r\n\r\ndata: ok\n\n"
    result = scan_answer(REDACTOR, stream)
    assert result.document == (
        "event: token\ndata: My SSN is [US_SSN]\n\ndata:  \r\n\r\ndata: ok\n\n"
    )
    assert result.hits == {"us_ssn": 1}


def test_a_stream_of_line_ends_takes_linear_time() -> None:
    began = time.process_time()
    scan_answer(REDACTOR, "\n" * 1_000_000 + "\ndata: 123-45\ndata: -6789")
    assert time.process_time() - began < 2
