"""What detector plug-ins add to the rules, and that a bad one lets nothing through."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from services.ingest.redact import ERROR_TAG, Redactor, Rule, builtin_rules
from services.ingest.redact.detection import Detection


class Names:
    """Finds names from a list wherever they stand, as a model would, inside tags too."""

    name = "names"

    def __init__(self, *names: str, entity: str = "person") -> None:
        self._names = re.compile("|".join(names))
        self._entity = entity
        self.asked: list[str] = []

    def detect(self, text: str) -> Sequence[Detection]:
        self.asked.append(text)
        found = self._names.finditer(text)
        return [Detection(one.start(), one.end(), self._entity) for one in found]


class Answers:
    name = "answers"

    def __init__(self, answer: Callable[[str], Any]) -> None:
        self.detect = answer


def redactor(*detectors: Any) -> Redactor:
    return Redactor(builtin_rules(), detectors)


def test_detections_join_the_rules() -> None:
    masked, hits = redactor(Names("Ada", "Zoë")).text("Zoë (zoe@example.org) met Ada ü Ada")
    assert masked == "[PERSON] ([EMAIL]) met [PERSON] ü [PERSON]"
    assert hits == {"email": 1, "person": 3}


def test_keys_numbers_and_json_inside_strings_are_shown_to_detectors() -> None:
    document: Any = {"Ada": "Ada", "args": '{"who":"Ada"}', "n": 123456789, "ok": "fine"}
    result = redactor(Names("Ada", "123456789")).scan(document)
    assert result.document == {
        "[PERSON]": "[PERSON]",
        "args": '{"who":"[PERSON]"}',
        "n": "[PERSON]",
        "ok": "fine",
    }


def test_very_short_texts_are_not_worth_a_call() -> None:
    names = Names("a")
    assert redactor(names).text("ab") == ("ab", {})
    assert names.asked == []


def test_a_detection_that_overlaps_a_match_becomes_one_with_it() -> None:
    assert redactor(Names("Ada ada@ex")).text("x Ada ada@example.org.")[0] == "x [EMAIL]."
    assert redactor(Names("Ada Maria von Ada ada@e")).text("Ada Maria von Ada ada@e.io")[0] == (
        "[PERSON]"
    )


def test_detections_inside_tags_are_ignored() -> None:
    names = Names("EMAIL", "PERSON", "Ada", entity="org")
    masked, hits = redactor(names).text("ada@example.org, Ada, [PERSON]")
    assert masked == "[EMAIL], [ORG], [PERSON]"
    assert hits == {"email": 1, "org": 1}
    assert redactor(names).text(masked) == (masked, {})


def test_a_tag_of_a_detector_hides_nothing_from_the_rules() -> None:
    secret = "AKIA" + "IOSFODNN7EXAMPLE"
    masked, _ = redactor(Names("nobody")).text(f"[{secret}]")
    assert secret not in masked


def test_a_detection_that_masking_brings_about_is_masked_too() -> None:
    assert redactor(Names(r"Dear \[EMAIL\]")).text("Dear ada@example.org") == (
        "[PERSON]",
        {"email": 1, "person": 1},
    )


@pytest.mark.parametrize(
    "answer",
    [
        lambda text: 1 / 0,
        lambda text: None,
        lambda text: [Detection(0, len(text) + 1, "person")],
        lambda text: [Detection(-1, 2, "person")],
        lambda text: [Detection(2, 2, "person")],
        lambda text: [Detection(0, 3, "a person")],
        lambda text: [Detection(0, 3, "")],
        lambda text: [Detection(0.5, 2, "person")],  # type: ignore[arg-type]
        lambda text: [("start", "end")],
    ],
)
def test_whatever_a_detector_does_wrong_masks_the_whole_text(answer: Callable[[str], Any]) -> None:
    bad = redactor(Answers(answer))
    assert bad.text("nothing private, é") == (ERROR_TAG, {"redaction_error": 1})
    assert bad.explain("nothing")[0].replacement == ERROR_TAG


def test_a_detector_that_finds_more_each_time_masks_the_whole_text() -> None:
    def first_word(text: str) -> Sequence[Detection]:
        found = re.search("[a-z]+", text)
        return [Detection(found.start(), found.end(), "word")] if found else []

    assert redactor(Answers(first_word)).text("one two")[0] == "[WORD] [WORD]"
    assert redactor(Answers(first_word)).text("one two " * 10) == (
        ERROR_TAG,
        {"redaction_error": 1},
    )


def test_a_slow_detector_is_held_to_the_deadline_of_the_text() -> None:
    def slow(_: str) -> Sequence[Detection]:
        sum(range(3_000_000))
        return []

    hasty = Redactor((), (Answers(slow),), deadline_ms=1)
    assert hasty.text("some text") == (ERROR_TAG, {"redaction_error": 1})


def test_detectors_are_part_of_the_version() -> None:
    assert redactor(Names("a")).version != redactor().version
    assert redactor(Names("a")).version == redactor(Names("b")).version


def test_a_careless_rule_that_matches_a_detectors_tag_comes_to_rest() -> None:
    careless = Redactor((Rule("capitals", "[A-Z]+", "[W]"),), (Names("Ada"),))
    once, _ = careless.text("Ada")
    assert careless.text(once) == (once, {})
