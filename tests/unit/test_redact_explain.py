"""Where redaction masks a text, and by which rule: what `rules test` shows."""

from services.ingest.redact import Redactor, Rule, builtin_rules
from services.ingest.redact.explain import Finding

REDACTOR = Redactor(builtin_rules())


def test_findings_tell_characters_rules_and_tags() -> None:
    assert REDACTOR.explain("é ada@example.org, 4111 1111 1111 1111") == [
        Finding(2, 17, "email", "[EMAIL]"),
        Finding(19, 38, "credit_card", "[CREDIT_CARD]"),
    ]


def test_nothing_is_found_in_clean_text() -> None:
    assert REDACTOR.explain("nothing here, not even in [EMAIL]") == []


def test_a_second_look_is_told_in_places_of_the_text_that_was_given() -> None:
    rules = (Rule("a", "aa+", "[A]"), Rule("b", r"x\[A\]y", "[B]"), Rule("c", r"é\[B\]", "[C]"))
    assert Redactor(rules).explain("--éxaaaay--aa") == [
        Finding(2, 9, "c", "[C]"),
        Finding(11, 13, "a", "[A]"),
    ]


def test_a_text_that_cannot_be_judged_is_one_finding() -> None:
    assert REDACTOR.explain("ok \ud800") == [Finding(0, 4, "redaction_error", "[REDACTION_ERROR]")]


def test_pseudonyms_are_those_of_the_key() -> None:
    redactor = Redactor((Rule("id", "id[0-9]+", "[ID]", mode="pseudonym"),))
    [finding] = redactor.explain("id12", b"key")
    assert finding.replacement == redactor.text("id12", key=b"key")[0]
    assert redactor.explain("id12")[0].rule == "redaction_error"
