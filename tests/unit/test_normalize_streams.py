"""Streams as they come on the wire, and the answers that providers' fragments add up to."""

from typing import Any

import pytest

from sealbook.contract.usage import Usage
from services.ingest.normalize import Exchange, Normalized, ToolCall, normalize

STREAMS = {
    "crlf, comments, several data lines, junk": (
        ': hello\r\n\r\nid: 7\r\ndata: {"choices": [{"delta":\r\n'
        'data: {"content": "a\u2028"}}]}\r\n\r\njunk\r\n<html>\r\ndata: nonsense\r\n\r\n'
        'data: {"choices": [{"delta": {"content": "b"}}]}\r\n\r\ndata: [DONE]\r\n\r\n'
    ),
    "no blank lines": (
        'data: {"choices": [{"delta": {"content": "a\u2028"}}]}\n'
        'data: {"choices": [{"delta": {"content": "b"}}]}'
    ),
    "cut off": (
        'data: {"choices": [{"delta": {"content": "a\u2028"}}]}\n\n'
        'data: {"choices": [{"delta": {"content": "b"}}]}\n\ndata: {"choices": [{"del'
    ),
    "json lines": (
        '{"choices": [{"delta": {"content": "a\u2028"}}]}\n'
        '{"choices": [{"delta": {"content": "b"}}]}\n{"cho'
    ),
    "one list": (
        '[{"choices": [{"delta": {"content": "a\u2028"}}]}\n,\n'
        '{"choices": [{"delta": {"content": "b"}}]}\n]'
    ),
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
def test_streams_as_they_come(stream: str) -> None:
    assert normalize(Exchange("openai", {}, None, stream)).response_text == "a\u2028b"


def test_an_errors_body_instead_of_a_stream_is_the_response() -> None:
    result = normalize(Exchange("openai", {}, None, '{\n  "error": {"code": "c"}\n}', None))
    assert (result.status, result.error_class) == ("error", "c")
    assert result.response == {"error": {"code": "c"}}


def test_text_that_is_no_stream_is_kept() -> None:
    assert normalize(Exchange("openai", {}, None, "upstream timed out")).response == (
        "upstream timed out"
    )


def chunked(provider: str, chunks: list[Any]) -> Normalized:
    return normalize(Exchange(provider, {}, chunks))


def test_openai_fragments_are_joined_by_index() -> None:
    def piece(index: int, **function: str) -> Any:
        call = {"index": index, "function": function}
        return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}

    chunks = [
        piece(0, name="a", arguments=""),
        piece(1, name="b", arguments="{"),
        piece(0, arguments='{"x"'),
        piece(1, arguments="}"),
        piece(0, arguments=":1}"),
        {"choices": [], "usage": {"prompt_tokens": 1}},
    ]
    result = chunked("openai", chunks)
    response: Any = result.response
    calls = response["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ['{"x":1}', "{}"]
    assert (result.tools, result.usage.input) == ((ToolCall("a"), ToolCall("b")), 1)


def test_a_cut_responses_stream_has_the_text_so_far() -> None:
    chunks = [
        {"type": "response.created", "response": {"status": "in_progress", "model": "m"}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "message", "status": "in_progress", "content": []},
        },
        {"type": "response.output_text.delta", "output_index": 0, "delta": "he"},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "y"},
    ]
    result = chunked("openai", chunks)
    assert (result.response_text, result.model_answered, result.finish_reason) == ("hey", "m", None)


def test_anthropic_events_give_thinking_tools_and_the_final_usage() -> None:
    def delta(index: int, **fields: str) -> Any:
        return {"type": "content_block_delta", "index": index, "delta": fields}

    def start(index: int, **block: Any) -> Any:
        return {"type": "content_block_start", "index": index, "content_block": block}

    chunks = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
        start(0, type="thinking", thinking=""),
        delta(0, type="thinking_delta", thinking="hm"),
        start(1, type="tool_use", id="1", name="t", input={}),
        delta(1, type="input_json_delta", partial_json='{"a"'),
        delta(1, type="input_json_delta", partial_json=": 1}"),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 5},
        },
    ]
    result = chunked("anthropic", chunks)
    response: Any = result.response
    assert response["content"] == [
        {"type": "thinking", "thinking": "hm"},
        {"type": "tool_use", "id": "1", "name": "t", "input": {"a": 1}},
    ]
    assert (result.usage, result.finish_reason) == (Usage(input=9, output=5), "tool_use")


def test_an_error_within_a_stream_is_an_error() -> None:
    chunks = [
        {"type": "message_start", "message": {"content": []}},
        {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
    ]
    assert chunked("anthropic", chunks).error_class == "overloaded_error"
    assert chunked("openai", [{"error": {"code": "c"}}]).error_class == "c"


def test_gemini_parts_are_joined_and_thoughts_are_no_answer() -> None:
    def chunk(*parts: Any) -> Any:
        return {"candidates": [{"content": {"parts": list(parts)}}]}

    thought = {"text": "hm", "thought": True}
    result = chunked("google", [chunk(thought), chunk({"text": "a"}), chunk({"text": "b"})])
    response: Any = result.response
    assert response["candidates"][0]["content"]["parts"] == [thought, {"text": "ab"}]
    assert result.response_text == "ab"


def test_converse_events_give_the_converse_answer() -> None:
    chunks = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "a"}}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "b"}}},
        {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"name": "t"}}}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"x":'}}}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "1}"}}}},
        {"messageStop": {"stopReason": "tool_use"}},
        {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 2}}},
    ]
    result = chunked("bedrock", chunks)
    response: Any = result.response
    assert response["output"]["message"]["content"][1]["toolUse"]["input"] == {"x": 1}
    assert (result.response_text, result.tools) == ("ab", (ToolCall("t"),))
    assert (result.usage, result.finish_reason) == (Usage(input=3, output=2), "tool_use")


def test_bedrocks_bytes_are_unwrapped() -> None:
    # {"generation": "a"} and {"generation": "b", "stop_reason": "stop"}
    wrapped = [
        "eyJnZW5lcmF0aW9uIjogImEifQ==",
        "eyJnZW5lcmF0aW9uIjogImIiLCAic3RvcF9yZWFzb24iOiAic3RvcCJ9",
    ]
    result = chunked("bedrock", [{"chunk": {"bytes": text}} for text in wrapped])
    assert (result.response_text, result.finish_reason) == ("ab", "stop")


def test_cut_cohere_streams_have_the_text_so_far() -> None:
    v1 = [{"event_type": "text-generation", "text": text} for text in "ab"]
    v2 = [
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}}
        for text in "ab"
    ]
    assert chunked("cohere", v1).response_text == chunked("cohere", v2).response_text == "ab"


def test_huge_input_takes_linear_time() -> None:
    parts = [{"choices": [{"delta": {"content": "x"}}]}] * 50_000
    assert chunked("openai", parts).response_text == "x" * 50_000
    junk = "data: {\n" * 50_000 + "[" * 50_000
    assert normalize(Exchange("openai", [[]] * 50_000, None, junk)).response == junk
