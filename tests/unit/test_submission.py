"""Submissions: what fits comes in whole, what does not is named without its value."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sealbook.contract.documents import compact, parse
from sealbook.contract.submission import MAX_TAGS, Submission
from sealbook.contract.usage import Usage
from sealbook.errors import InvalidInput

NAUGHTY = Path(__file__).parents[3] / "shared/data/json/naughty/blns.json"
CANARY = "canary-7f3a"
ID = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"

TEXT_FIELDS = (
    *("provider", "model", "response_stream", "request_text", "response_text", "error_class"),
    *("error_message", "user", "session_id", "agent", "project"),
)
FULL: dict[str, Any] = {
    "id": ID,
    "project": "support",
    "provider": "openai",
    "model": "gpt-4o-mini",
    "request": {"messages": []},
    "response": [{"choices": []}],
    "usage": {"input": 1, "cache_read": 2, "output": 3, "reasoning": 0},
    "input_tokens": 3,
    "output_tokens": 2**53,
    "cost": "0.00000000000000000001",
    "currency": "EUR",
    "latency_ms": 187.5,
    "time_to_first_token_ms": 0,
    "status": "canceled",
    "http_status": 599,
    "tags": ["a", "b"],
    "metadata": {"n": 10**30, "x": [None]},
    "parent_id": "00000000-0000-0000-0000-000000000000",
    "occurred_at": "2026-02-03T04:05:06.789+02:00",
}


def refusal(document: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        Submission.read(document)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_every_field_is_read() -> None:
    read = Submission.read(parse(compact(FULL)))
    assert (str(read.id), read.project, read.currency) == (ID, "support", "EUR")
    assert read.cost == Decimal("1e-20")
    assert read.usage is not None
    assert read.usage.buckets() == Usage(input=1, cache_read=2, output=3, reasoning=0)
    assert read.metadata == {"n": 10**30, "x": [None]}
    assert read.occurred_at == datetime(2026, 2, 3, 2, 5, 6, 789_000, UTC)


def test_a_document_on_the_bus_says_what_was_said_and_no_more() -> None:
    assert Submission(provider="p", model="m", cost=None).document() == {
        "provider": "p",
        "model": "m",
        "cost": None,
    }
    once = Submission.read(FULL)
    assert Submission.read(parse(compact(once.document()))) == once


def test_nothing_is_required_here_since_payloads_may_tell_it() -> None:
    assert Submission.read({}).document() == {}


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"promt": CANARY}, "`promt`: unknown field"),
        ({"usage": {"input": 1, "total": CANARY}}, "`usage.total`: unknown field"),
        ({"Provider": CANARY, "PROVIDER": CANARY}, "`PROVIDER`: unknown field"),
    ],
)
def test_unknown_fields_are_refused_by_name(document: Any, named: str) -> None:
    message = refusal(document)
    assert named in message
    assert CANARY not in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, [CANARY]) for name in TEXT_FIELDS),
        *(("id", value) for value in (CANARY, "00000000-0000-4000-8000-000000000000", 7)),
        ("usage", CANARY),
        ("usage", {"input": -1}),
        ("input_tokens", CANARY),
        *(("input_tokens", value) for value in (-1, 2**53 + 1, 1.5, "3", True)),
        *(("cost", value) for value in (CANARY, -1, "NaN", "sNaN", "Infinity", "1e31", "1e-31")),
        *(("cost", value) for value in ("1e20", "1e-21", "9" * 21, "1.00000000000000000001")),
        *(("currency", value) for value in (CANARY, "usd", "US", "USD\n")),
        *(("latency_ms", value) for value in (CANARY, -1, 1e13, "inf", "nan")),
        *(("status", value) for value in (CANARY, "Success", 7)),
        *(("http_status", value) for value in (CANARY, 99, 600, "200", 2**70)),
        *(("tags", value) for value in (CANARY, [1], [[CANARY]], {CANARY: 1})),
        *(("metadata", value) for value in (CANARY, [CANARY])),
        ("parent_id", CANARY),
        *(("occurred_at", value) for value in (CANARY, "2026-01-01T00:00:00", 1e300, 10**30)),
    ],
)
def test_a_value_that_does_not_fit_is_named_and_never_quoted(field: str, value: Any) -> None:
    message = refusal({"provider": "p", field: value})
    assert f"`{field}" in message
    assert "canary" not in message


@pytest.mark.parametrize("cost", ["1e19", "9" * 20, "1e-20", "1234567890.0123456789", "0"])
def test_a_cost_of_twenty_digits_is_kept_to_the_last(cost: str) -> None:
    read = Submission.read(parse(compact({"cost": cost})))
    assert read.cost == Decimal(cost)


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-01-01T00:00:00Z"]
)
def test_a_time_no_reader_could_read_again_is_refused(moment: str) -> None:
    assert "`occurred_at`" in refusal({"occurred_at": moment})


@pytest.mark.parametrize("moment", ["1970-01-01T00:00:00Z", "2100-12-31T23:59:59+05:30"])
def test_an_odd_time_is_accepted(moment: str) -> None:
    assert Submission.read({"occurred_at": moment}).occurred_at == datetime.fromisoformat(moment)


@pytest.mark.parametrize("document", [None, True, 7, 1.5, CANARY, [{"provider": CANARY}]])
def test_what_is_no_object_is_refused_by_its_type(document: Any) -> None:
    message = refusal(document)
    assert "is a JSON object, not" in message
    assert CANARY not in message


def test_many_problems_are_told_in_a_bounded_message() -> None:
    message = refusal({f"field{number}": CANARY for number in range(1000)})
    assert message.count("unknown field") == 10


def test_labels_come_in_whole_since_they_are_masked_before_they_are_cut() -> None:
    label = "x" * 250 + " ada@example.org"
    read = Submission.read(dict.fromkeys(("provider", "model", "agent"), label) | {"tags": [label]})
    assert (read.provider, read.model, read.agent, read.tags) == (label, label, label, [label])


def test_of_many_tags_the_first_ones_stay() -> None:
    tags = [str(number) for number in range(1000)]
    assert Submission.read({"tags": tags}).tags == tags[:MAX_TAGS]


def test_naughty_strings_survive_in_every_text_field() -> None:
    if not NAUGHTY.exists():
        pytest.skip(f"the naughty strings are not at {NAUGHTY}")
    texts = json.loads(NAUGHTY.read_text("utf-8"))
    assert len(texts) > 500
    for text in texts:
        document = dict.fromkeys(TEXT_FIELDS, text) | {
            "request": {text: [text]},
            "response": text,
            "tags": [text],
            "metadata": {text: text},
        }
        assert Submission.read(parse(compact(document))).document() == document
