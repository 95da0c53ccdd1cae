"""A redaction policy as a document: what it changes, what it adds, what it refuses by name."""

from typing import Any

import pytest

from sealbook.errors import InvalidInput
from services.ingest.redact import Redactor, builtin_rules, prefilter
from services.ingest.redact.policy import RedactionPolicy, redaction_policy

OWN = {"name": "employee", "pattern": r"\bE-[0-9]{6}\b"}


def masked(document: Any, text: str) -> str:
    return Redactor(redaction_policy(document).rules).text(text, key=b"k")[0]


def test_an_empty_document_is_the_built_in_policy() -> None:
    policy = redaction_policy({})
    assert policy == RedactionPolicy.default()
    assert policy.rules == builtin_rules()
    assert policy.version == Redactor(builtin_rules()).version


def test_a_built_in_rule_changes_in_the_fields_that_are_named() -> None:
    assert masked({}, "10.1.2.3 ada@x.org") == "10.1.2.3 [EMAIL]"
    document = {
        "rules": [{"name": "ipv4", "enabled": True}, {"name": "email", "replacement": "<m>"}]
    }
    assert masked(document, "10.1.2.3 ada@x.org") == "[IP_ADDRESS] <m>"


def test_a_built_in_rule_keeps_its_place() -> None:
    names = [rule.name for rule in redaction_policy({"rules": [{"name": "email"}, OWN]}).rules]
    assert names == [*(rule.name for rule in builtin_rules()), "employee"]


def test_a_new_rule_is_replaced_by_its_name_unless_it_says_otherwise() -> None:
    assert masked({"rules": [OWN]}, "by E-123456") == "by [EMPLOYEE]"
    assert masked({"rules": [OWN | {"replacement": "[WHO]"}]}, "by E-123456") == "by [WHO]"


def test_every_field_of_a_rule_can_be_said() -> None:
    rule = {
        "name": "badge",
        "pattern": r"badge (\w)(\w{12,19})",
        "replacement": "[BADGE]",
        "validator": "luhn",
        "keywords": ["badge"],
        "enabled": True,
        "mode": "partial",
        "min_entropy": 1,
        "group": 2,
    }
    assert masked({"rules": [rule]}, "badge x4222222222222").startswith("badge x")
    made = redaction_policy({"rules": [rule]}).rules[-1]
    assert (made.keywords, made.min_entropy, made.group) == (("badge",), 1.0, 2)


def test_the_mode_at_the_top_is_that_of_rules_without_their_own() -> None:
    document = {"mode": "partial", "rules": [OWN, {"name": "email", "mode": "tag"}]}
    assert masked(document, "4111 1111 1111 1111") == "[CREDIT_CARD:*1111]"
    assert masked(document, "ada.lovelace@example.org") == "[EMAIL]"
    modes = {rule.name: rule.mode for rule in redaction_policy(document).rules}
    assert modes["employee"] == "partial"


def test_the_version_is_that_of_what_is_in_effect() -> None:
    version = RedactionPolicy.default().version
    assert redaction_policy({"rules": [{"name": "email", "enabled": True}]}).version == version
    assert redaction_policy({"mode": "tag", "detectors": []}).version == version
    others = [{"rules": [OWN]}, {"mode": "partial"}, {"detectors": ["presidio"]}]
    assert len({version, *(redaction_policy(one).version for one in others)}) == 4
    whole = {"rules": [OWN | {"min_entropy": 3}]}
    decimal = {"rules": [OWN | {"min_entropy": 3.0}]}
    assert redaction_policy(whole).version == redaction_policy(decimal).version


def test_detectors_are_named_once() -> None:
    assert redaction_policy({"detectors": ["presidio", "b", "presidio"]}).detectors == (
        "presidio",
        "b",
    )


def test_the_listing_tells_every_rule() -> None:
    listing = redaction_policy({"rules": [OWN, {"name": "ipv4", "enabled": True}]}).listing()
    by_name = {str(one["name"]): one for one in listing}
    assert by_name["employee"] == {
        "name": "employee",
        "enabled": True,
        "mode": "tag",
        "replacement": "[EMPLOYEE]",
        "validator": None,
        "keywords": [],
        "built_in": False,
    }
    assert by_name["ipv4"]["enabled"]
    assert by_name["ipv4"]["built_in"]
    assert len(listing) == len(builtin_rules()) + 1


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "policy does not fit: `the whole`"),
        ({"rule": []}, "`rule`: unknown field"),
        ({"rules": ["email"]}, "`rules.0`"),
        ({"rules": {}}, "`rules`"),
        ({"mode": "hash"}, "`mode`"),
        ({"detectors": "presidio"}, "`detectors`"),
        ({"detectors": ["../x"]}, "`detectors.0`"),
        ({"rules": [{"pattern": "a"}]}, "number 1 .*`name`"),
        ({"rules": [OWN, {"name": 5}]}, "number 2 .*`name`"),
        ({"rules": [OWN | {"patern": "a"}]}, "'employee' .*`patern`: unknown field"),
        ({"rules": [OWN | {"enabled": "yes"}]}, "'employee' .*`enabled`"),
        ({"rules": [OWN | {"keywords": "a"}]}, "'employee' .*`keywords`"),
        ({"rules": [OWN | {"mode": None}]}, "'employee' .*`mode`"),
        ({"rules": [OWN | {"min_entropy": "3"}]}, "'employee' .*`min_entropy`"),
        ({"rules": [OWN | {"group": 1}]}, "'employee': its group"),
        ({"rules": [OWN | {"pattern": "("}]}, "'employee': RE2 does not accept"),
        ({"rules": [OWN | {"pattern": ""}]}, "'employee': its pattern"),
        ({"rules": [OWN | {"validator": "x"}]}, "'employee': there is no validator 'x', only"),
        ({"rules": [OWN | {"replacement": ""}]}, "'employee': its replacement"),
        ({"rules": [OWN | {"name": "Bad Name"}]}, "'Bad Name': its name"),
        ({"rules": [{"name": "emial", "enabled": False}]}, "'emial' has no `pattern`"),
        ({"rules": [OWN, OWN]}, "'employee' is there twice"),
        ({"rules": [OWN | {"name": f"r{n}"} for n in range(1001)]}, "`rules`"),
        ({"rules": [OWN | {"name": f"r{n}"} for n in range(1000)]}, "the limit is 1000"),
    ],
)
def test_what_does_not_fit_is_refused_by_rule_and_field(document: Any, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as refused:
        redaction_policy(document)
    assert refused.value.remedy


def test_rules_that_are_too_large_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefilter, "MAX_MEMORY", 2000)
    with pytest.raises(InvalidInput, match="too large together"):
        redaction_policy({"rules": [OWN]})
