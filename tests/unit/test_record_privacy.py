"""What ingest makes of a submission: nothing private in clear, all of it under the seal."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from drafting import (
    CANARY,
    DATA_KEY,
    EMAIL,
    INDEX_KEY,
    RULES,
    STORED,
    event,
    made,
    opened,
    received,
)

from sealbook.contract.documents import compact
from sealbook.contract.events import InteractionRecorded
from sealbook.contract.submission import MAX_LABEL_CHARS
from sealbook.contract.usage import Usage
from sealbook.errors import SealBroken
from sealbook.sealing import blind_index
from services.ingest.record import draft, sealed


@pytest.mark.parametrize(
    "field", ["provider", "model", "session_id", "agent", "error_class", "tags"]
)
def test_personal_data_in_a_clear_field_is_masked_and_counted(field: str) -> None:
    value = f"of {EMAIL}, SSN 123-45-6789"
    one = event(**{field: [value] if field == "tags" else value})
    masked = getattr(one, field)
    assert masked in ("of [EMAIL], SSN [US_SSN]", ("of [EMAIL], SSN [US_SSN]",))
    assert one.redactions["email"] == one.redactions["us_ssn"] == 1
    assert EMAIL not in one.model_dump_json()


def test_personal_data_in_the_name_of_a_tool_is_masked() -> None:
    call = {"type": "function", "id": "c", "function": {"name": EMAIL, "arguments": "{}"}}
    response = {"choices": [{"message": {"role": "assistant", "tool_calls": [call]}}]}
    one = event(provider="openai", response=response)
    assert [tool.name for tool in one.tools] == ["[EMAIL]"]


@pytest.mark.parametrize("before", range(MAX_LABEL_CHARS - len(EMAIL), MAX_LABEL_CHARS))
def test_an_address_on_the_cutting_edge_is_masked_and_not_halved(before: int) -> None:
    one = event(tags=["x" * (before - 1) + " " + EMAIL + " tail"])
    assert "lovelace" not in one.model_dump_json()
    assert len(one.tags[0]) <= MAX_LABEL_CHARS


@pytest.mark.parametrize("field", ["provider", "model", "session_id", "agent", "error_class"])
def test_a_long_label_is_cut_and_flagged(field: str) -> None:
    one = event(**{field: "ab" * MAX_LABEL_CHARS})
    assert getattr(one, field) == "ab" * (MAX_LABEL_CHARS // 2)
    assert one.flags == ("label_cut",)


def test_nul_characters_are_replaced_in_clear_and_kept_under_the_seal() -> None:
    one = made(agent="a\0b", tags=["\0"], request_text="x\0y", metadata={"k\0": "\0"})
    assert (one.event.agent, one.event.tags) == ("a\ufffdb", ("\ufffd",))
    assert one.event.flags == ("nul_replaced",)
    rest = one.payload.rest_fields()
    assert (rest["request_text"], rest["metadata"]) == ("x\0y", {"k\0": "\0"})
    assert "\\u0000" not in one.event.model_dump_json()


def private_fields() -> dict[str, Any]:
    return {
        "request": {"messages": [{"role": "user", "content": f"{CANARY} {EMAIL}"}]},
        "response": {"choices": [{"message": {"content": f"{CANARY} {EMAIL}"}}]},
        "request_text": f"{CANARY} {EMAIL}",
        "response_text": f"{CANARY} {EMAIL}",
        "error_message": f"{CANARY} {EMAIL}",
        "metadata": {CANARY: EMAIL, EMAIL: CANARY},
        "user": f"{CANARY}+{EMAIL}",
    }


def test_nothing_private_is_in_the_event_before_it_is_sealed() -> None:
    text = event(**private_fields()).model_dump_json()
    assert CANARY not in text
    assert EMAIL not in text


def test_what_is_sealed_is_masked_and_opens_again() -> None:
    one = sealed(made(**private_fields()), DATA_KEY)
    assert CANARY not in one.model_dump_json()
    assert CANARY.encode() not in one.sealed
    payload = opened(one)
    parts = (payload.request, payload.response, compact(payload.rest_fields() | {"user": None}))
    assert all(CANARY.encode() in part and EMAIL.encode() not in part for part in parts)
    # The texts repeat the documents: one in the request, two in the response, two in the metadata.
    assert one.redactions["email"] == 5


def test_the_user_is_kept_under_the_seal_and_as_a_keyed_hash() -> None:
    one = made(user=EMAIL)
    assert one.payload.rest_fields()["user"] == EMAIL
    assert one.event.user_hash == blind_index.user_hash(INDEX_KEY, EMAIL)
    other_project = draft(received(user=EMAIL), replace(INDEX_KEY, secret=b"x" * 32), RULES)
    assert other_project.event.user_hash != one.event.user_hash
    assert EMAIL not in one.event.model_dump_json()


def test_raw_stream_text_leaves_no_trace_in_clear() -> None:
    chunk = {"choices": [{"delta": {"content": CANARY}}]}
    one = made(provider="openai", response_stream=f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n")
    assert CANARY not in one.event.model_dump_json()
    assert CANARY.encode() in one.payload.response


def test_the_seal_is_bound_to_the_event() -> None:
    one = sealed(made(user=EMAIL), DATA_KEY)
    for changed in (
        {"project": "sales"},
        {"id": UUID(int=3)},
        {"user_hash": None},
        {"occurred_at": STORED + timedelta(seconds=1)},
        {"policy_version": "other"},
    ):
        with pytest.raises(SealBroken):
            opened(one.model_copy(update=changed))


def test_the_seal_outlives_a_new_version_of_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    # An event that was upcast says the newest version; what was sealed is what it was.
    one = made(user=EMAIL)
    old = sealed(one, DATA_KEY)
    monkeypatch.setattr(InteractionRecorded, "version", InteractionRecorded.version + 1)
    assert opened(old).rest_fields()["user"] == EMAIL
    assert opened(sealed(one, DATA_KEY)).rest_fields()["user"] == EMAIL


def chat(prompt: str, answer: str, **response: Any) -> dict[str, Any]:
    return {
        "provider": "openai",
        "request": {"messages": [{"role": "user", "content": prompt}]},
        "response": {"choices": [{"message": {"content": answer}}], **response},
    }


def test_a_hit_in_a_document_is_not_counted_again_in_the_text_taken_from_it() -> None:
    one = made(**chat(f"{EMAIL} and {EMAIL}", f"to {EMAIL}", model=EMAIL))
    assert one.event.redactions == {"email": 4}
    rest = one.payload.rest_fields()
    assert rest["request_text"] == "[EMAIL] and [EMAIL]"
    assert rest["response_text"] == "to [EMAIL]"
    assert one.event.model_answered == "[EMAIL]"


def test_a_text_that_repeats_the_document_adds_nothing_and_one_that_says_more_does() -> None:
    payloads = chat(EMAIL, "none")
    assert event(**payloads, request_text=EMAIL).redactions == {"email": 1}
    assert event(**payloads, request_text=f"{EMAIL} {EMAIL}").redactions == {"email": 2}
    assert event(**payloads, error_message=EMAIL).redactions == {"email": 2}
    assert event(request_text=EMAIL, tags=[EMAIL]).redactions == {"email": 2}


def test_what_json_inside_a_string_hides_is_masked_in_the_derived_text_too() -> None:
    # As plain text `n4111…` is one word and no card; decoded it is a card on its own line.
    card = "4111111111111111"
    result = json.dumps({"note": f"card:\n{card}"})
    messages = [{"role": "system", "content": "Be kind."}, {"role": "tool", "content": result}]
    one = made(**chat("", "ok", usage={"prompt_tokens": 3}) | {"request": {"messages": messages}})
    assert card.encode() not in one.payload.encode()
    assert one.event.redactions == {"credit_card": 1}
    assert one.event.usage == Usage(input=3)


def test_neighbouring_leaves_are_judged_together_in_the_derived_text() -> None:
    one = made(**chat("x", "y") | {"request": {"messages": ["SSN:", "123-45-6789"]}})
    assert "123-45-6789" not in one.payload.rest_fields()["request_text"]
