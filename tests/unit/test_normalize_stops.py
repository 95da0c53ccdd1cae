"""What stood behind a finish reason: names only, and only where the provider tells more."""

from typing import Any

import pytest

from services.ingest.normalize import Exchange, normalize

FILTERED = {"hate": {"filtered": True}, "violence": {"filtered": False}, "sexual": None}


def choice(**fields: Any) -> Any:
    return {"choices": [{"message": {"content": "a"}, "finish_reason": "stop", **fields}]}


def refused(kind: str) -> Any:
    content = [{"type": kind, "refusal": "No."}]
    return {"object": "response", "output": [{"type": "message", "content": content}]}


def guarded(**assessments: Any) -> Any:
    return {"stopReason": "guardrail_intervened", "output": {"message": {}}, **assessments}


BLOCKED = {"topicPolicy": {"topics": [{"name": "secret", "action": "BLOCKED"}]}}
CONVERSE = guarded(
    trace={
        "guardrail": {
            "inputAssessment": {"g": BLOCKED},
            "outputAssessments": {"g": [{"wordPolicy": {"customWords": [{"action": "NONE"}]}}]},
        }
    }
)
INVOKED = guarded(**{"amazon-bedrock-trace": {"guardrail": {"outputs": [{"g": BLOCKED}]}}})
SAFETY = [{"category": "HARM_CATEGORY_HARASSMENT", "blocked": True}, {"category": "HARM_X"}]


@pytest.mark.parametrize(
    ("response", "cause"),
    [
        (choice(), None),
        (choice(content_filter_results=FILTERED), "hate"),
        (choice(message={"refusal": "No."}), "refusal"),
        (choice(native_finish_reason="SAFETY"), "SAFETY"),
        (choice(native_finish_reason="stop"), None),
        (choice(stop_reason="\n\nHuman: Ada"), "stop_sequence"),
        (choice(stop_reason=128001), "stop_token"),
        (choice(stop_reason=None), None),
        ({"error": {"innererror": {"content_filter_result": FILTERED}}}, "hate"),
        ({"error": {"innererror": {"code": "ResponsibleAIPolicy"}}}, "ResponsibleAIPolicy"),
        (refused("refusal"), "refusal"),
        (refused("output_text"), None),
        ({"type": "message", "content": [], "stop_details": {"category": "cyber"}}, "cyber"),
        ({"type": "message", "content": [], "stop_sequence": "Ada"}, None),
        ({"candidates": [{"safetyRatings": SAFETY}]}, "HARM_CATEGORY_HARASSMENT"),
        ({"promptFeedback": {"safetyRatings": SAFETY}}, "HARM_CATEGORY_HARASSMENT"),
        (CONVERSE, "topicPolicy"),
        (INVOKED, "topicPolicy"),
    ],
)
def test_stop_causes(response: Any, cause: str | None) -> None:
    assert normalize(Exchange("", {}, response)).stop_cause == cause


@pytest.mark.parametrize("text", ["call Ada Lovelace", "ada@example.org", "+1 650", "x" * 65, ""])
def test_text_in_the_place_of_a_name_stays_under_the_seal(text: str) -> None:
    for response in (
        choice(native_finish_reason=text),
        choice(content_filter_results={text: {"filtered": True}}),
        {"candidates": [{"safetyRatings": [{"category": text, "blocked": True}]}]},
        {"type": "message", "content": [], "stop_details": {"category": text}},
    ):
        assert normalize(Exchange("", {}, response)).stop_cause is None
