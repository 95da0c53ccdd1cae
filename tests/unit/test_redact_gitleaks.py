"""Rules of a gitleaks configuration become rules of ours, and what does not is named."""

import pytest

from sealbook.errors import InvalidInput
from services.ingest.redact import Redactor
from services.ingest.redact.gitleaks import gitleaks_rules
from services.ingest.redact.policy import redaction_policy

ACME = """
title = "ours"
[[rules]]
id = "acme-api-token"
description = "a token"
regex = '''(?i)[\\w.-]{0,50}?(?:acme)[\\s'"]{0,3}[=:]['"\\s]{0,5}([a-z0-9]{16})(?:['"\\s;]|$)'''
entropy = 3.5
keywords = ["acme"]
"""
SECRET = "0a1b2c3d" + "4e5f6g7h"


def imported(toml: str) -> Redactor:
    rules, _ = gitleaks_rules(toml)
    return Redactor(redaction_policy({"rules": rules}).rules)


def test_a_rule_becomes_an_entry_of_a_policy() -> None:
    [entry], refused = gitleaks_rules(ACME)
    assert refused == []
    assert entry.pop("pattern")
    assert entry == {
        "name": "gitleaks_acme_api_token",
        "replacement": "[ACME_API_TOKEN]",
        "keywords": ["acme"],
        "min_entropy": 3.5,
    }


def test_the_secret_is_masked_and_what_stands_around_it_stays() -> None:
    redactor = imported(ACME)
    assert redactor.text(f'acme = "{SECRET}";')[0] == 'acme = "[ACME_API_TOKEN]";'
    assert redactor.text(f'acne = "{SECRET}"')[1] == {}
    assert redactor.text('acme = "' + "ab" * 8 + '"')[1] == {}  # too regular to be a secret


def test_the_secret_group_is_kept() -> None:
    toml = """[[rules]]
    id = "two"
    regex = '''(user)=(pw[0-9]+)'''
    secretGroup = 2
    """
    assert imported(toml).text("user=pw12")[0] == "user=[TWO]"


def test_names_fit_and_differ() -> None:
    rule = "[[rules]]\nid = '{}'\nregex = 'a{}'\n"
    long = "x" * 100
    toml = "".join(rule.format(*each) for each in ((long, 1), (long + "y", 2), ("9a", 3), ("é", 4)))
    rules, refused = gitleaks_rules(toml)
    names = [str(one["name"]) for one in rules]
    assert refused == []
    assert len({*names}) == 4
    assert max(map(len, names)) == 64
    assert [one["replacement"] for one in rules[2:]] == ["[A]", "[SECRET]"]
    redaction_policy({"mode": "pseudonym", "rules": [*rules]})


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ('id = "p"\npath = "x$"', "no `regex`"),
        ('regex = "a"', "no `id`"),
        ('id = "p"\nregex = "("', "RE2 does not accept"),
        (f'id = "p"\nregex = "{"a" * 1025}"', "1024 bytes"),
        ('id = "p"\nregex = "(?:[^a]{500}){20}"', "RE2 does not accept"),
        ('id = "p"\nregex = "a*"', "empty text"),
        ('id = "p"\nregex = "a"\nsecretGroup = 3', "group"),
        ('id = "p"\nregex = "a"\nentropy = "high"', "min_entropy"),
        ('id = "p"\nregex = "a"\nkeywords = [1]', "keywords"),
    ],
)
def test_a_rule_that_cannot_be_used_is_reported_and_the_rest_is_taken(
    rule: str, reason: str
) -> None:
    rules, [refused] = gitleaks_rules(f"{ACME}[[rules]]\n{rule}\n")
    assert [one["name"] for one in rules] == ["gitleaks_acme_api_token"]
    assert refused.name in ("p", "number 2")
    assert reason in refused.reason


@pytest.mark.parametrize(
    ("more", "name", "reason"),
    [
        ("[[rules.allowlists]]\nregexes = ['x']", "acme-api-token", "allowlist is not applied"),
        ("[rules.allowlist]\nregexes = ['x']", "acme-api-token", "allowlist is not applied"),
        ("path = 'x'", "acme-api-token", "`path` is not applied"),
        ("[[rules.required]]\nid = 'x'", "acme-api-token", "`required` rules are not applied"),
        ("[allowlist]\nstopwords = ['x']", "allowlist", "is not applied"),
        ("[[allowlists]]\nstopwords = ['x']", "allowlist", "is not applied"),
        ("[extend]\nuseDefault = true", "extend", "is not followed"),
    ],
)
def test_what_would_spare_a_secret_is_not_applied_and_said(
    more: str, name: str, reason: str
) -> None:
    rules, [remark] = gitleaks_rules(ACME + more)
    assert len(rules) == 1
    assert remark.name == name
    assert reason in remark.reason


@pytest.mark.parametrize("toml", ["[[rules", "title = 'x'", "rules = 'x'", "rules = ['x']"])
def test_what_is_no_gitleaks_configuration_is_refused(toml: str) -> None:
    with pytest.raises(InvalidInput, match="gitleaks configuration"):
        gitleaks_rules(toml)
