"""What ingest makes of a submission: nothing private in clear, nothing unknown made up."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from sealbook.contract.documents import compact
from sealbook.contract.events import InteractionRecorded
from sealbook.contract.submission import MAX_LABEL_CHARS
from sealbook.contract.usage import Usage
from sealbook.errors import InvalidInput, SealBroken
from sealbook.sealing import binding, blind_index
from sealbook.sealing.cipher import DataKey, unseal
from sealbook.sealing.payload import Payload
from sealbook.sealing.scope import Scope
from services.ingest.price import PriceBook
from services.ingest.receive import Arrival, Received, receive
from services.ingest.record import Draft, Rules, draft, sealed
from services.ingest.redact import Redactor, builtin_rules

RULES = Rules(Redactor(builtin_rules()), PriceBook())
INDEX_KEY = DataKey(UUID(int=1), b"i" * 32)
DATA_KEY = DataKey(UUID(int=2), b"d" * 32)
STORED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = UUID("019a0a0a-0000-7abc-8def-0123456789ab")
CANARY = "canary-7f3a"
EMAIL = "ada.lovelace@example.org"
OPENAI = {
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 20},
    },
}


def received(**fields: Any) -> Received:
    body = compact({"provider": "acme", "model": "m"} | fields)
    result = receive(Arrival("sealbook.submit.support", body, 7, STORED, ID))
    assert isinstance(result, Received)
    return result


def made(**fields: Any) -> Draft:
    return draft(received(**fields), INDEX_KEY, RULES)


def event(**fields: Any) -> InteractionRecorded:
    return made(**fields).event


def opened(one: InteractionRecorded) -> Payload:
    return Payload.decode(unseal(DATA_KEY, one.sealed, binding.recorded(one).encode()))


def test_a_draft_is_a_whole_event_but_for_its_seal() -> None:
    one = sealed(made(tags=["a"], cost="0.5", response=OPENAI), DATA_KEY)
    assert InteractionRecorded.model_validate_json(one.model_dump_json()) == one


def test_usage_is_read_from_the_payload() -> None:
    assert event(response=OPENAI).usage == Usage(input=60, cache_read=40, output=30, reasoning=20)


def test_the_usage_of_the_submission_wins_whole() -> None:
    one = event(response=OPENAI, usage={"input": 1}, input_tokens=9, output_tokens=9)
    assert one.usage == Usage(input=1)


def test_totals_that_agree_keep_the_split_of_the_payload() -> None:
    one = event(response=OPENAI, input_tokens=100, output_tokens=50)
    assert one.usage == Usage(input=60, cache_read=40, output=30, reasoning=20)


def test_a_total_that_disagrees_replaces_its_side_and_no_other() -> None:
    assert event(response=OPENAI, input_tokens=99).usage == Usage(input=99, output=30, reasoning=20)
    assert event(response=OPENAI, output_tokens=0).usage == Usage(input=60, cache_read=40, output=0)


def test_unknown_usage_and_cost_stay_unknown() -> None:
    one = event()
    assert one.usage == Usage()
    assert one.cost is None


def test_an_explicit_cost_is_kept_to_the_last_digit() -> None:
    one = event(cost="0.00000000000000000001", currency="EUR")
    assert one.cost is not None
    assert (one.cost.total, one.cost.currency) == (Decimal("1e-20"), "EUR")


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_believable_time_counts(skew: timedelta) -> None:
    one = event(occurred_at=(STORED + skew).isoformat())
    assert (one.occurred_at, one.claimed_at, one.flags) == (STORED + skew, None, ())


@pytest.mark.parametrize(
    "claimed",
    [
        "2026-01-02T03:09:05.000001+00:00",
        "2026-01-02T02:59:04+00:00",
        "1970-01-01T00:00:00Z",
        "2100-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_another_time_is_kept_and_flagged_and_the_servers_counts(claimed: str) -> None:
    one = event(occurred_at=claimed)
    assert one.occurred_at == STORED
    assert one.claimed_at == datetime.fromisoformat(claimed)
    assert one.flags == ("clock_skew",)


def test_without_a_time_it_happened_when_it_was_stored() -> None:
    assert (event().occurred_at, event().claimed_at) == (STORED, None)


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"provider": None}, "provider"),
        ({"model": None}, "model"),
        ({"provider": "", "response": {"text": CANARY}}, "provider"),
        ({"model": "", "request": {"text": CANARY}}, "model"),
    ],
)
def test_without_provider_or_model_it_is_refused_by_what_is_missing(
    fields: dict[str, Any], missing: str
) -> None:
    with pytest.raises(InvalidInput, match=f"does not tell its {missing}") as caught:
        made(**fields)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("response", "provider"),
    [
        (OPENAI, "openai"),
        ({"object": "response", "model": "m"}, "openai"),
        ({"type": "message", "model": "m"}, "anthropic"),
        ({"candidates": [], "modelVersion": "m"}, "google"),
        ({"done": True, "model": "m"}, "ollama"),
    ],
)
def test_payloads_may_tell_the_provider(response: Any, provider: str) -> None:
    assert event(provider=None, response=response).provider == provider


def test_the_model_is_the_one_said_then_the_one_asked_then_the_one_that_answered() -> None:
    request = {"model": "gpt-4o-mini", "messages": []}
    assert event(model="mine", request=request, response=OPENAI).model == "mine"
    assert event(model=None, request=request, response=OPENAI).model == "gpt-4o-mini"
    assert event(model=None, response=OPENAI).model == "gpt-4o-mini-2024-07-18"


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


def test_the_key_is_the_data_subjects_else_the_days() -> None:
    one = made(user=EMAIL)
    assert one.event.user_hash is not None
    assert one.scope == Scope("support", "subject", one.event.user_hash)
    assert made().scope == made(user="").scope == Scope("support", "day", "2026-01-02")


def test_events_about_one_subject_stay_in_order() -> None:
    assert made(user=EMAIL, session_id="s").partition_key == made(user=EMAIL).event.user_hash
    assert made(session_id="s").partition_key == "s"
    assert made().partition_key == str(made().event.id)


def test_the_policy_is_named() -> None:
    assert event().policy_version == RULES.redactor.version


def test_status_is_what_was_said_else_what_the_payload_tells() -> None:
    error = {"error": {"message": CANARY, "type": "rate_limit_error"}}
    assert event(provider="openai", response=error, http_status=429).status == "error"
    assert event(provider="openai", response=error, status="success").status == "success"


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


def test_times_are_what_was_said_else_what_the_provider_measured() -> None:
    answer = {"done": True, "response": "", "total_duration": 2_000_000_000, "created_at": None}
    one = event(provider="ollama", response=answer)
    assert (one.latency_ms, one.time_to_first_token_ms) == (2000, None)
    said = event(provider="ollama", response=answer, latency_ms=0, time_to_first_token_ms=3)
    assert (said.latency_ms, said.time_to_first_token_ms) == (0, 3)


def test_what_the_provider_says_it_charged_is_the_cost_unless_one_was_said() -> None:
    answer = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "cost": 1e-05}}
    one = event(provider="openrouter", model="some/model", response=answer)
    assert one.cost is not None
    assert (one.cost.total, one.cost.source) == (Decimal("0.00001"), "reported:openrouter")
    assert event(provider="acme", response=answer).cost is None
    said = event(provider="openrouter", response=answer, cost="2", currency="EUR")
    assert said.cost is not None
    assert (said.cost.total, said.cost.source) == (Decimal(2), "explicit")


def test_why_it_stopped_and_how_an_earlier_tool_went_are_in_the_event() -> None:
    use = {"type": "tool_use", "id": "1", "name": "lookup"}
    result = {"type": "tool_result", "tool_use_id": "1"}
    messages = [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    answer = {
        "type": "message",
        "content": [use],
        "stop_reason": "refusal",
        "stop_details": {"category": "cyber"},
    }
    one = event(provider="anthropic", request={"messages": messages}, response=answer)
    assert (one.finish_reason, one.stop_cause) == ("refusal", "cyber")
    assert [(tool.ok, tool.earlier) for tool in one.tools] == [(True, True), (None, False)]


def test_a_stream_may_tell_the_provider() -> None:
    event_start = {"type": "message_start", "message": {"model": "claude", "usage": {}}}
    stream = f"data: {json.dumps(event_start)}\n\n"
    assert event(provider=None, response_stream=stream).provider == "anthropic"
