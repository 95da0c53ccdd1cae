"""What a recorder puts on the bus reads back as what the application said."""

import warnings
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from sealbook.contract.documents import parse
from sealbook.contract.ids import new_id
from sealbook.contract.submission import Submission
from sealbook.errors import InvalidInput
from sealbook.recorder.packing import pack

CANARY = "canary-4711"


class Completion(BaseModel):
    """Stands for the response objects of providers' clients."""

    text: str
    logprobs: list[float] | None = None


def body_of(**fields: Any) -> Any:
    return parse(pack(fields, "demo")[1].body)


def test_every_field_reads_back_as_it_was_said() -> None:
    fields: dict[str, Any] = {
        "id": new_id(),
        "project": "support",
        "provider": "openai",
        "request": {"messages": [{"content": "ünï\u0000"}], "big": 2**80},
        "usage": {"input": 3, "output": None},
        "cost": Decimal("0.000123"),
        "currency": "EUR",
        "latency_ms": 1.5,
        "parent_id": new_id(),
        "occurred_at": datetime(2026, 11, 1, tzinfo=UTC),
    }
    interaction_id, message = pack(fields, "demo")
    read = Submission.read(parse(message.body))
    assert read == Submission.read(fields)
    assert read.model_fields_set == fields.keys()
    assert message.subject == "sealbook.submit.support"
    assert message.headers == {"Nats-Msg-Id": str(interaction_id)} == {"Nats-Msg-Id": str(read.id)}


def test_a_missing_id_is_made_and_told() -> None:
    interaction_id, message = pack({"provider": "p"}, "demo")
    assert interaction_id.version == 7
    assert parse(message.body) == {"id": str(interaction_id), "provider": "p"}


def test_pydantic_payloads_are_taken_with_what_was_set() -> None:
    assert body_of(response=Completion(text="hi"))["response"] == {"text": "hi"}


def test_a_payload_that_betrays_its_types_warns_nobody() -> None:
    betrayed = Completion.model_construct(text=[CANARY])  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        body = body_of(response=betrayed)
    assert body["response"] == {"text": [CANARY]}


def circle() -> dict[str, Any]:
    payload: dict[str, Any] = {"said": CANARY}
    payload["again"] = payload
    return payload


def deep() -> Any:
    value: Any = CANARY
    for _ in range(70):
        value = [value]
    return value


@pytest.mark.parametrize(
    "payload",
    [object(), float("nan"), [1, {"x": float("inf")}], CANARY + "\ud800", circle(), deep()],
    ids=["object", "nan", "inf", "surrogate", "circle", "deep"],
)
def test_what_is_no_json_is_refused_without_its_text(payload: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        pack({"response": payload}, "demo")
    assert CANARY not in str(caught.value)
    assert caught.value.remedy


def test_neither_message_nor_its_repr_shows_the_payload() -> None:
    assert CANARY not in repr(pack({"request": CANARY}, "demo"))
