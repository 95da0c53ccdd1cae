"""Lines of a file as submissions: provider exchanges, submissions, and what is neither."""

import json
from pathlib import Path
from typing import Any

import pytest

from sealbook.contract.submission import Submission
from sealbook.errors import InvalidInput
from sealbook.recorder.exchanges import fields_of

EXCHANGES = Path("../shared/data/exchanges/provider-exchanges.jsonl")


def read(document: Any, *, number: int = 1, project: str = "demo", file_ms: int = 1) -> Any:
    line = json.dumps(document).encode()
    return fields_of(line, number=number, project=project, file_ms=file_ms)


def exchange(**fields: Any) -> dict[str, Any]:
    return {"provider": "openai", "uri": "https://x.test/v1/chat", "http_status": 200} | fields


def test_all_real_exchanges_are_valid_submissions() -> None:
    if not EXCHANGES.exists():
        pytest.skip(f"{EXCHANGES} is not here: the real exchanges are not part of the project")
    lines = EXCHANGES.read_bytes().splitlines()
    submissions = [
        Submission.read(fields_of(line, number=number, project="demo", file_ms=1_700_000_000_000))
        for number, line in enumerate(lines, start=1)
    ]
    assert len(submissions) == 450
    assert len({submission.id for submission in submissions}) == 450
    assert all(s.provider and s.http_status and s.metadata["path"] for s in submissions)
    without_model = {s.metadata["path"] for s in submissions if s.model == "unknown"}
    assert all(path.startswith("/v1/threads") for path in without_model)


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"request": {"model": "a"}, "response": {"model": "b"}}, "a"),
        ({"request": {}, "response": {"model": "b"}}, "b"),
        ({"uri": "https://r.openai.azure.com/openai/deployments/gpt/chat?api-version=1"}, "gpt"),
        ({"uri": "https://b.test/model/anthropic.claude-v2%3A1/invoke"}, "anthropic.claude-v2:1"),
        (
            {"uri": "https://g.test/v1beta/models/gemini-2.5-flash:generateContent"},
            "gemini-2.5-flash",
        ),
        ({"uri": "https://api.openai.com/v1/threads"}, "unknown"),
        ({"request": {"model": 7}, "response": "text"}, "unknown"),
        ({"model": "named", "request": {"model": "a"}}, "named"),
    ],
)
def test_model_comes_from_request_then_response_then_uri(fields: Any, model: str) -> None:
    assert read(exchange(**fields))["model"] == model


def test_the_query_of_the_uri_is_not_kept() -> None:
    fields = read(exchange(uri="https://g.test/v1/models/m:generateContent?key=SECRET", name="n"))
    assert fields["metadata"] == {"name": "n", "path": "/v1/models/m:generateContent"}
    assert "SECRET" not in repr(fields)


def test_further_fields_of_an_exchange_go_along_and_unknown_ones_are_refused_later() -> None:
    fields = read(exchange(tags=["t"], metadata={"ticket": 7}, surprise=1))
    assert fields["tags"] == ["t"]
    assert fields["metadata"] == {"path": "/v1/chat", "ticket": 7}
    with pytest.raises(InvalidInput, match="`surprise`: unknown field"):
        Submission.read(fields)


def test_the_same_line_at_the_same_place_has_the_same_id() -> None:
    submission = {"provider": "openai", "model": "m"}
    first = read(submission)["id"]
    assert read(submission)["id"] == first
    assert first.version == 7
    others = [
        read(submission, number=2),
        read(submission, project="other"),
        read(submission, file_ms=2),
        read(submission | {"model": "n"}),
    ]
    assert first not in [other["id"] for other in others]


def test_an_id_that_is_given_stays() -> None:
    given = "01890a5d-ac96-774b-bcce-b302099a8057"
    assert read({"id": given, "provider": "p", "model": "m"})["id"] == given


@pytest.mark.parametrize("line", [b"{", b"[]", b'"text"', b"null", b'{"uri": 7}', b"\xff"])
def test_what_is_no_submission_is_refused_with_a_sentence(line: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        fields_of(line, number=1, project="demo", file_ms=1)
    assert str(caught.value).endswith(".")


def test_an_impossible_uri_is_refused() -> None:
    with pytest.raises(InvalidInput, match="`uri` is not a URI"):
        read(exchange(uri="https://[::1/v1"))
