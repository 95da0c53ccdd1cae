"""Whether an exchange went well, by its answer and its HTTP status, and how its tool calls went."""

from typing import Any

import pytest

from services.ingest.normalize import Exchange, ToolCall, normalize


@pytest.mark.parametrize(
    ("response", "http_status", "expected"),
    [
        ({"error": {"type": "t", "code": "c", "message": "m"}}, 400, ("error", "t", "m")),
        ({"error": {"type": None, "code": "c", "message": "m"}}, 200, ("error", "c", "m")),
        ({"error": {"code": 400, "status": "S", "message": "m"}}, None, ("error", "S", "m")),
        ({"error": {"code": 402, "message": "m"}}, None, ("error", "402", "m")),
        ({"error": "m"}, 404, ("error", "http_404", "m")),
        ({"type": "error", "error": {"type": "t", "message": "m"}}, 529, ("error", "t", "m")),
        ({"__type": "Throttling", "message": "m"}, 400, ("error", "Throttling", "m")),
        ({"object": "response", "status": "failed"}, 200, ("error", "unknown", None)),
        ("<html>", 502, ("error", "http_502", "<html>")),
        (None, 500, ("error", "http_500", None)),
        (None, 499, ("canceled", None, None)),
        ({"object": "response", "status": "cancelled"}, 200, ("canceled", None, None)),
        ({"object": "response", "error": None}, 200, ("success", None, None)),
    ],
)
def test_outcomes(response: Any, http_status: int | None, expected: tuple[Any, ...]) -> None:
    result = normalize(Exchange("openai", {}, response, None, http_status))
    assert (result.status, result.error_class, result.error_message) == expected


CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "weather"}]}
RESULT = {"type": "tool_result", "tool_use_id": "1", "is_error": True}


def tools(provider: str, request: Any, response: Any = None) -> tuple[ToolCall, ...]:
    return normalize(Exchange(provider, request, response)).tools


def test_a_call_is_listed_when_asked_for_and_again_with_how_it_went() -> None:
    history = [{"role": "user", "content": "weather?"}, CALL, {"role": "user", "content": [RESULT]}]
    response = {"type": "message", "content": [{"type": "tool_use", "id": "2", "name": "news"}]}
    assert tools("anthropic", {"messages": history}, response) == (
        ToolCall("weather", ok=False, earlier=True),
        ToolCall("news", ok=None),
    )


def test_results_of_older_turns_are_not_listed_again() -> None:
    answer = {"role": "assistant", "content": "It failed."}
    history = [CALL, {"role": "user", "content": [RESULT]}, answer, {"role": "user", "content": ""}]
    assert tools("anthropic", {"messages": history}) == ()


def test_results_in_several_messages_after_the_turn_are_all_read() -> None:
    history = [CALL, {"role": "user", "content": [RESULT]}, {"role": "user", "content": "well?"}]
    assert tools("anthropic", {"messages": history}) == (ToolCall("weather", False, earlier=True),)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"status": "success"}, (ToolCall("weather", True, earlier=True),)),
        ({"status": "error"}, (ToolCall("weather", False, earlier=True),)),
        ({}, ()),
    ],
)
def test_converse_tells_how_a_tool_went_only_by_its_status(status: Any, expected: Any) -> None:
    use = {"toolUse": {"toolUseId": "1", "name": "weather"}}
    result = {"toolResult": {"toolUseId": "1", "content": [], **status}}
    messages = [
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    assert tools("bedrock", {"messages": messages}) == expected


def test_gemini_tells_a_tools_failure_by_its_error() -> None:
    def result(**response: Any) -> Any:
        return {"functionResponse": {"name": "weather", "response": response}}

    call = {"functionCall": {"name": "weather"}}
    parts = [result(output=1), result(error="none")]
    contents = [{"role": "model", "parts": [call, call]}, {"role": "user", "parts": parts}]
    assert [tool.ok for tool in tools("google", {"contents": contents})] == [True, False]


def test_openais_tool_messages_do_not_tell_how_it_went() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "Error"},
    ]
    assert tools("openai", {"messages": messages}) == ()
