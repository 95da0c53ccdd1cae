"""What of a submission is masked beyond its leaves: pieces of streams, clear fields, plug-ins."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from sealbook.contract.documents import compact
from sealbook.sealing.cipher import DataKey
from services.ingest.normalize import Exchange, Normalized, plugins
from services.ingest.price import PriceBook
from services.ingest.receive import Arrival, Received, receive
from services.ingest.record import Draft, Rules, draft
from services.ingest.redact import Redactor, builtin_rules

RULES = Rules(Redactor(builtin_rules()), PriceBook())
KEY = DataKey(UUID(int=1), b"i" * 32)
STORED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPLIT = ("My SSN is 123-45", "-6789, yes.")


def made(**fields: Any) -> Draft:
    body = compact({"provider": "acme", "model": "m"} | fields)
    received = receive(Arrival("sealbook.submit.support", body, 7, STORED, UUID(int=3)))
    assert isinstance(received, Received)
    return draft(received, KEY, RULES)


def events(*chunks: Any) -> str:
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)


def anthropic_blocks() -> list[Any]:
    start = {"type": "message_start", "message": {"model": "c", "usage": {}}}
    blocks = [
        {"type": "content_block_start", "index": at, "content_block": {"type": "text", "text": one}}
        for at, one in enumerate(SPLIT)
    ]
    return [start, *blocks]


def logprobs() -> list[Any]:
    def chunk(text: str) -> dict[str, Any]:
        token = {"token": text, "logprob": -1, "bytes": [*text.encode()]}
        told = {"content": [token | {"top_logprobs": [token]}]}
        return {"choices": [{"index": 0, "delta": {"content": text}, "logprobs": told}]}

    return [chunk(text) for text in SPLIT]


CHUNKS: dict[str, list[Any]] = {
    "known": [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in SPLIT],
    "with logprobs": logprobs(),
    "blocks": anthropic_blocks(),
    "gemini": [
        {"candidates": [{"content": {"parts": [{"text": SPLIT[0]}, {"code": {}}]}}]},
        {"candidates": [{"content": {"parts": [{"text": SPLIT[1]}]}}]},
    ],
    "unknown": [{"piece": text} for text in SPLIT],
    "unknown and deep": [{"x": {"y": [{"z": text}]}} for text in SPLIT],
}


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
@pytest.mark.parametrize("raw", [True, False])
def test_what_two_chunks_say_together_is_masked(chunks: list[Any], raw: bool) -> None:
    said = {"response_stream": events(*chunks)} if raw else {"response": chunks}
    one = made(**said)
    kept = one.payload.encode()
    assert b"123-45" not in kept
    assert b"6789" not in kept
    assert b"[US_SSN]" in one.payload.response
    assert ",".join(map(str, b"123-45")).encode() not in kept
    assert one.event.redactions["us_ssn"] >= 1


def test_a_stream_of_plain_text_is_masked_over_its_events() -> None:
    one = made(response_stream="data: My SSN is 123-45\n\ndata: -6789, yes.\n\n")
    assert b"6789" not in one.payload.encode()


@pytest.mark.parametrize("field", ["agent", "session_id", "error_class", "model", "tags"])
def test_json_in_a_clear_field_hides_nothing(field: str) -> None:
    text = '{"to": "ada\\u0040example.org"}'
    one = made(**{field: [text] if field == "tags" else text}).event
    assert "example.org" not in one.model_dump_json()
    assert one.redactions == {"email": 1}


@pytest.fixture
def raw_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A plug-in that takes the answer's text from the raw stream."""

    def mapper(exchange: Exchange) -> Normalized:
        chunk = json.loads(exchange.response_stream or "{}")
        text = str(chunk["phone"]) if chunk else None
        return Normalized(model_asked="m", response_text=text, response=exchange.response or chunk)

    point = SimpleNamespace(name="acme", value="acme:mapper", load=lambda: mapper)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    plugins.plugged_in.cache_clear()
    yield
    monkeypatch.undo()
    plugins.plugged_in.cache_clear()


@pytest.mark.usefixtures("raw_reader")
def test_a_text_of_a_plug_in_is_judged_with_the_keys_of_its_source() -> None:
    one = made(response_stream='{"phone": 6502530000}')
    assert json.loads(one.payload.response) == {"phone": "[PHONE]"}
    assert one.payload.rest_fields()["response_text"] == "[PHONE]"
