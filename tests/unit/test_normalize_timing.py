"""Times that a provider reports itself, and where nothing is known, nothing."""

from typing import Any

import pytest

from services.ingest.normalize import Exchange, normalize

GROQ = {"queue_time": 0.0955, "prompt_time": 0.003, "completion_time": 0.058, "total_time": 0.061}
OLLAMA = {"done": True, "response": "", "total_duration": 1_880_837_250, "load_duration": 1_008_500}


def times(response: Any) -> tuple[float | None, float | None]:
    result = normalize(Exchange("", {}, response))
    return result.latency_ms, result.time_to_first_token_ms


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"choices": [], "usage": GROQ}, (156.5, None)),
        ({"choices": [], "usage": {**GROQ, "queue_time": None}}, (None, None)),
        ({"choices": [], "usage": {"total_time": 1}}, (None, None)),
        ({"output": {"message": {}}, "metrics": {"latencyMs": 589}}, (589, None)),
        ({"choices": [], "stats": {"time_to_first_token": 0.111}}, (None, 111)),
        ({"output": [], "stats": {"time_to_first_token_seconds": 0.5}}, (None, 500)),
        (OLLAMA, (1880.83725, None)),
        ({**OLLAMA, "total_duration": "soon"}, (None, None)),
        ({**OLLAMA, "total_duration": -1}, (None, None)),
        ({**OLLAMA, "total_duration": 10**400}, (None, None)),
        ({"choices": [], "usage": {"prompt_tokens": 1}, "created": 1_700_000_000}, (None, None)),
    ],
)
def test_times(response: Any, expected: tuple[float | None, float | None]) -> None:
    assert times(response) == expected


def line(second: float, **fields: Any) -> Any:
    return {"created_at": f"2024-05-24T21:02:{second:09.6f}Z", "response": "a", **fields}


def test_ollamas_stream_tells_its_first_token_by_its_own_clock() -> None:
    end = {**OLLAMA, "total_duration": 2_000_000_000}
    chunks = [line(0.9, done=False), line(1.5, done=False), line(2.4, **end)]
    assert times(chunks) == (2000, 500)


@pytest.mark.parametrize(
    "first", ["yesterday", None, 7, "2024-05-24T21:02:09", "2020-01-01T00:00Z"]
)
def test_a_clock_that_makes_no_sense_tells_no_first_token(first: Any) -> None:
    chunks = [{**line(1, done=False), "created_at": first}, line(2.4, **OLLAMA)]
    assert times(chunks) == (1880.83725, None)
