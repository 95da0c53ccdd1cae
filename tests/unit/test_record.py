"""What ingest makes of a submission: what is said, what is derived, nothing made up."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from drafting import (
    CANARY,
    DATA_KEY,
    EMAIL,
    OPENAI,
    RULES,
    STORED,
    event,
    made,
)

from sealbook.contract.events import InteractionRecorded
from sealbook.contract.usage import Usage
from sealbook.errors import InvalidInput
from sealbook.sealing.scope import Scope
from services.ingest.record import sealed


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
