"""Which mapper reads an exchange: by its shape, by a plug-in for its provider, or the fallback."""

import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from sealbook.contract.usage import Usage
from services.ingest.normalize import Exchange, Normalized, normalize, plugins


def test_a_known_shape_is_read_under_any_providers_name() -> None:
    response = {
        "type": "message",
        "content": [{"type": "text", "text": "hi"}],
        "usage": {"input_tokens": 4, "cache_read_input_tokens": 9, "output_tokens": 1},
    }
    for provider in ("openai", "bedrock", "my gateway", ""):
        result = normalize(Exchange(provider, {"messages": []}, response))
        assert (result.kind, result.response_text, result.usage.cache_read) == ("chat", "hi", 9)


def test_an_unknown_provider_is_read_as_far_as_it_goes() -> None:
    response = {"answer": "hi", "model": "m-1", "usage": {"input_tokens": 4, "output_tokens": 1}}
    result = normalize(Exchange("acme", {"prompt": "ho", "model": "m"}, response))
    assert (result.request_text, result.response_text) == ("ho", "hi")
    assert (result.model_asked, result.model_answered) == ("m", "m-1")
    assert result.usage == Usage(input=4, output=1)


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Registers one entry point: its provider and the object it names."""

    def register(provider: str, value: str) -> None:
        point = EntryPoint(provider, value, plugins.GROUP)
        monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
        plugins.plugged_in.cache_clear()

    yield register
    plugins.plugged_in.cache_clear()


def acme(exchange: Exchange) -> Normalized:
    return Normalized(kind="audio", response_text="from the plug-in")


def broken(exchange: Exchange) -> Normalized:
    raise RuntimeError("secret payload")


def test_a_plug_in_maps_its_provider_and_no_other(plug_in: Any) -> None:
    plug_in("OpenAI", f"{__name__}:acme")
    answer = {"choices": [{"text": "hi"}]}
    assert normalize(Exchange("openai", {}, answer)).response_text == "from the plug-in"
    assert normalize(Exchange("groq", {}, answer)).response_text == "hi"


@pytest.mark.parametrize("value", [f"{__name__}:broken", "builtins:len", "no.such:module"])
def test_a_broken_plug_in_leaves_the_exchange_to_the_fallback(
    plug_in: Any, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    plug_in("acme", value)
    assert normalize(Exchange("acme", {}, {"answer": "hi"})).response_text == "hi"
    assert "Error" in caplog.text
    assert "secret" not in caplog.text


def test_the_pages_example_maps_its_answer(plug_in: Any, tmp_path: Any, monkeypatch: Any) -> None:
    page = (Path(__file__).parents[2] / "docs/mappers.md").read_text("utf-8")
    code = re.search(r"```python\n(from .*?)```", page, re.S)
    assert code
    (tmp_path / "acme_sealbook.py").write_text(code[1])
    monkeypatch.syspath_prepend(tmp_path)
    plug_in("acme", "acme_sealbook:normalize")
    answer = {
        "reply": "hi",
        "engine": "acme-2",
        "tokens": {"in": 12, "of_which_cached": 4, "out": 3},
    }
    result = normalize(Exchange("acme", {"engine": "acme", "question": "ho"}, answer))
    assert result.usage == Usage(input=8, cache_read=4, output=3)
    assert (result.request_text, result.response_text) == ("ho", "hi")
    assert normalize(Exchange("acme", {}, {"reply": "hi"})).usage == Usage()
