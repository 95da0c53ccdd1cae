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


def test_a_call_is_listed_when_asked_for_and_again_with_how_it_went() -> None:
    history = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "weather"}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "1", "is_error": True}],
        },
    ]
    response = {"type": "message", "content": [{"type": "tool_use", "id": "2", "name": "news"}]}
    result = normalize(Exchange("anthropic", {"messages": history}, response))
    assert result.tools == (ToolCall("weather", ok=False), ToolCall("news", ok=None))
