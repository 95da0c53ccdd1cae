"""Redaction with a detector plug-in: what it finds is masked, and when it fails all is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from detecting import write_plug_ins

from services.ingest.detection import start_detectors
from services.ingest.redact import ERROR_HIT, ERROR_TAG, Redactor, builtin_rules


@pytest.fixture
def redactor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redactor]:
    write_plug_ins(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (detector,) = start_detectors(["moody"])
    yield Redactor(builtin_rules(), [detector])
    detector.close()


def test_what_a_plug_in_finds_is_masked_beside_what_rules_find(redactor: Redactor) -> None:
    scanned = redactor.scan({"to": "naïve Ada <ada@example.org>", "count": 3})
    assert scanned.document == {"to": "naïve [PERSON] <[EMAIL]>", "count": 3}
    assert scanned.hits == {"person": 1, "email": 1}


@pytest.mark.parametrize("text", ["raise", "exit", "crash", "beyond", "unnamed", "nothing"])
def test_a_failing_plug_in_masks_that_text_whole_and_no_other(
    redactor: Redactor, text: str
) -> None:
    scanned = redactor.scan([text, "Ada sleeps"])
    assert scanned.document == [ERROR_TAG, "[PERSON] sleeps"]
    assert scanned.hits == {ERROR_HIT: 1, "person": 1}


def test_a_plug_in_past_its_deadline_masks_that_text_whole(redactor: Redactor) -> None:
    assert redactor.text("backtrack") == (ERROR_TAG, {ERROR_HIT: 1})
    assert redactor.text("Ada") == ("[PERSON]", {"person": 1})


def test_a_broken_plug_in_masks_everything_it_would_have_seen(redactor: Redactor) -> None:
    scanned = redactor.scan(["exit", "exit", "exit", "Ada sleeps"])
    assert scanned.document == [ERROR_TAG] * 4
