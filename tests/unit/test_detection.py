"""Detector plug-ins in processes of their own: whatever one does, it fails closed and in time."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from detecting import write_plug_ins

from sealbook.errors import InvalidInput, Misconfigured, Unavailable
from services.ingest.detection import ChildDetector, installed, start_detectors
from services.ingest.redact.detection import Detection

Started = Callable[..., ChildDetector]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_plug_ins(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def started(folder: Path) -> Iterator[Started]:
    """Makes and starts detectors; they are closed at the end."""
    made: list[ChildDetector] = []

    def start(name: str, deadline_s: float = 10.0, rest_s: float = 30.0) -> ChildDetector:
        detector = ChildDetector(name, deadline_s=deadline_s, rest_s=rest_s)
        made.append(detector)
        detector.start()
        return detector

    yield start
    for detector in made:
        detector.close()


def test_a_plug_in_tells_where_what_stands(started: Started) -> None:
    detector = started("ada")
    assert detector.name == "ada"
    assert detector.detect("naïve 🙂 Ada, Ada") == (
        Detection(8, 11, "PERSON"),
        Detection(13, 16, "PERSON"),
    )
    assert detector.detect("") == ()
    assert len(detector.detect("Ada \ud800 " * 20_000)) == 20_000


def test_a_plug_in_that_raises_keeps_its_process_and_its_message(started: Started) -> None:
    detector = started("moody")
    pid = detector.pid
    for _ in range(5):
        with pytest.raises(Unavailable) as raised:
            detector.detect("raise")
        assert str(raised.value) == "The detector 'moody' failed (KeyError)."
    assert detector.detect("Ada") == (Detection(0, 3, "PERSON"),)
    assert detector.pid == pid


@pytest.mark.parametrize("text", ["slow", "backtrack"])
def test_an_overrun_is_cut_short_and_the_process_replaced(started: Started, text: str) -> None:
    detector = started("moody", deadline_s=1.0)
    pid = detector.pid
    began = time.monotonic()
    with pytest.raises(Unavailable, match="TimeoutError"):
        detector.detect(text)
    assert time.monotonic() - began < 5
    assert detector.pid is None
    assert detector.detect("Ada") == (Detection(0, 3, "PERSON"),)
    assert detector.pid not in (pid, None)


@pytest.mark.parametrize("text", ["exit", "crash", "huge", "beyond", "backwards", "negative"])
def test_a_plug_in_that_ends_or_answers_nonsense_is_replaced(started: Started, text: str) -> None:
    detector = started("moody")
    with pytest.raises(Unavailable):
        detector.detect(text)
    assert detector.pid is None
    assert len(detector.detect("Ada")) == 1


@pytest.mark.parametrize("text", ["unnamed", "rubbish", "nothing"])
def test_nonsense_is_not_repeated_in_the_error(started: Started, text: str) -> None:
    with pytest.raises(Unavailable) as raised:
        started("moody").detect(text)
    assert text not in str(raised.value)


def test_what_a_plug_in_prints_is_no_answer(
    started: Started, capfd: pytest.CaptureFixture[str]
) -> None:
    assert started("moody").detect("print") == ()
    assert capfd.readouterr() == ("", "")


def test_threads_that_share_a_detector_get_their_own_answers(started: Started) -> None:
    detector = started("ada")
    texts = ["Ada " * count for count in range(40)]
    with ThreadPoolExecutor(8) as threads:
        assert [len(found) for found in threads.map(detector.detect, texts)] == list(range(40))


class Interrupted(BaseException):
    """As KeyboardInterrupt is."""


def test_an_interrupted_question_leaves_no_answer_for_the_next(started: Started) -> None:
    def interrupt(*_: Any) -> None:
        raise Interrupted

    detector = started("moody")
    former = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        with pytest.raises(Interrupted):
            detector.detect("slow")
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, former)
    assert detector.pid is None
    assert len(detector.detect("Ada")) == 1


def test_a_process_that_was_killed_between_two_texts_is_replaced(started: Started) -> None:
    detector = started("ada")
    assert detector.pid is not None
    os.kill(detector.pid, 9)
    while detector.pid is not None:
        time.sleep(0.01)
    assert len(detector.detect("Ada")) == 1


def test_three_failures_in_a_row_are_not_waited_for_again(
    started: Started, caplog: pytest.LogCaptureFixture
) -> None:
    detector = started("moody", rest_s=1.0)
    for _ in range(3):
        assert not detector.broken
        with pytest.raises(Unavailable, match="EOFError"):
            detector.detect("exit")
    assert detector.broken
    began = time.monotonic()
    with pytest.raises(Unavailable, match="broken"):
        detector.detect("Ada")
    assert (detector.pid, time.monotonic() - began < 0.2) == (None, True)
    time.sleep(1.0)
    with caplog.at_level(logging.INFO):
        assert len(detector.detect("Ada")) == 1
    assert not detector.broken
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "The detector moody failed (EOFError): that text is masked whole.",
        "The detector moody is broken (EOFError): texts are masked whole; it is tried every 1 s.",
        "The detector moody works again.",
    ]


def test_a_broken_detector_is_tried_once_and_rests_again(started: Started) -> None:
    detector = started("moody", rest_s=0.5)
    for _ in range(3):
        with pytest.raises(Unavailable):
            detector.detect("exit")
    time.sleep(0.5)
    with pytest.raises(Unavailable, match="EOFError"):
        detector.detect("exit")
    with pytest.raises(Unavailable, match="broken"):
        detector.detect("Ada")


def test_a_success_between_failures_keeps_a_detector_from_being_broken(started: Started) -> None:
    detector = started("moody")
    for _ in range(4):
        with pytest.raises(Unavailable):
            detector.detect("exit")
        assert len(detector.detect("Ada")) == 1


def test_one_that_failed_to_start_fails_closed_until_it_can(started: Started, folder: Path) -> None:
    detector = ChildDetector("starts_with_its_file", rest_s=0.2)
    with pytest.raises(Misconfigured, match="EOFError"):
        detector.start()
    with pytest.raises(Unavailable, match="broken"):
        detector.detect("Ada")
    (folder / "plug_ins.py.there").touch()
    time.sleep(0.2)
    assert detector.detect("Ada") == ()
    detector.close()


def test_one_that_does_not_start_in_time_is_given_up(folder: Path) -> None:
    detector = ChildDetector("never_starts", start_s=0.5)
    with pytest.raises(Misconfigured, match="TimeoutError"):
        detector.start()
    assert detector.pid is None
    detector.close()


def test_a_plug_in_inherits_no_setting_and_no_secret(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SEALBOOK_NATS_PASSWORD", "SEALBOOK_SECRETS_DIR", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    seen = {one.entity for one in started("surroundings").detect("x")}
    assert "PYTHONPATH" in seen
    assert not {name for name in seen if "SEALBOOK" in name or "SECRET" in name}


def test_a_policy_starts_the_detectors_it_names_once_each(folder: Path) -> None:
    assert {"ada", "absent", "presidio"} <= set(installed())
    assert start_detectors([]) == ()
    ada, moody = start_detectors(["ada", "moody", "ada"])
    assert (ada.name, moody.name) == ("ada", "moody")
    assert (ada.pid is not None, moody.pid is not None) == (True, True)
    ada.close()
    moody.close()
    assert (ada.pid, moody.pid) == (None, None)


def test_a_detector_that_is_not_installed_is_named_with_those_that_are(folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no detector 'nobody'; installed: .*ada, .*moody"):
        start_detectors(["ada", "nobody"])


@pytest.mark.parametrize(
    ("name", "reason"),
    [("absent", "ModuleNotFoundError"), ("fails_to_start", "PermissionError")],
)
def test_a_plug_in_that_cannot_be_loaded_is_refused_with_its_policy(
    folder: Path, name: str, reason: str
) -> None:
    with pytest.raises(Misconfigured) as raised:
        start_detectors(["ada", name])
    assert raised.value.message == f"The detector {name!r} did not start ({reason})."
    assert raised.value.remedy
