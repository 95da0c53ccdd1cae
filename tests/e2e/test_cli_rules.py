"""`sealbook rules` as people use it: what is told, where, and with which exit code."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from running import Cli

EMPTY = '{"rules": []}'
EMPLOYEE = r"""
[[rules]]
name = "employee"
pattern = '\bE-[0-9]{6}\b'
"""
GITLEAKS = r"""
title = "ours"

[[rules]]
id = "acme-key"
regex = '''\bacme_[a-z0-9]{8}\b'''
keywords = ["acme"]
entropy = 2

[[rules]]
id = "look-behind"
regex = '''(?<=key )[a-z]{8}'''

[[rules]]
id = "path-only"
path = '''\.pem$'''
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def into(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return into


@pytest.fixture(autouse=True)
async def built_in(cli: Cli, write: Any) -> AsyncIterator[None]:
    """Whatever a test puts, the next one starts with the built-in policy."""
    yield
    assert (await cli("rules", "set", "redaction", write("empty.json", EMPTY))).code == 0


async def version(cli: Cli) -> str:
    listed = (await cli("rules", "list", "--json")).json
    return str(listed["version"])


async def test_a_policy_is_tried_put_listed_and_in_effect(cli: Cli, write: Any) -> None:
    before, file = await version(cli), write("policy.toml", EMPLOYEE)
    tried = await cli("rules", "test", "E-123456, a@example.org", "--policy", file, "--json")
    assert tried.code == 0
    assert tried.json["masked"] == "[EMPLOYEE], [EMAIL]"
    assert [one["rule"] for one in tried.json["findings"]] == ["employee", "email"]
    dry = await cli("rules", "set", "redaction", file, "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert await version(cli) == before
    put = await cli("rules", "set", "redaction", file)
    assert (put.code, put.err) == (0, "")
    assert await version(cli) in put.out
    assert await version(cli) == tried.json["version"] != before
    assert "employee" in (await cli("rules", "list")).out
    assert (await cli("rules", "test", "-", stdin="E-123456")).out.startswith("[EMPLOYEE]\n")


async def test_a_test_says_that_it_leaves_detectors_out(cli: Cli, write: Any) -> None:
    file = write("policy.toml", 'detectors = ["presidio"]\n')
    done = await cli("rules", "test", "a@example.org", "--policy", file)
    assert done.code == 0
    assert "presidio" in done.err
    assert done.out.startswith("[EMAIL]\n")
    told = (await cli("rules", "test", "x", "--policy", file, "--json")).json
    assert told["detectors_left_out"] == ["presidio"]
    assert (await cli("rules", "test", "x", "--json")).json["detectors_left_out"] == []


@pytest.mark.parametrize(
    ("name", "text", "code", "named"),
    [
        ("p.toml", "[[rules]\n", 2, "p.toml is neither TOML nor JSON: "),
        ("p.json", "{", 2, "p.json is neither TOML nor JSON: "),
        ("p.json", "[]", 2, "`document`"),
        ("p.toml", "colour = 1", 2, "`colour`: unknown field"),
        ("p.toml", "[[rules]]\nname = 'a'\ncolour = 1", 2, "'a' does not fit: `colour`: unknown"),
        ("p.toml", "[[rules]]\npattern = 'a'", 2, "number 1 does not fit: `name`"),
        ("p.toml", "[[rules]]\nname = 'a'\npattern = 'b*'", 2, "'a': its pattern matches empty"),
        ("p.toml", "[[rules]]\nname = 'a'\npattern = '('", 2, "'a': RE2 does not accept"),
        ("p.toml", "[[rules]]\nname = 'a'", 2, "'a' has no `pattern`"),
        ("p.toml", f"[[rules]]\nname = 'a'\npattern = '{'b' * 1025}'", 2, "1 to 1024 bytes"),
        ("p.toml", "detectors = ['nobody']", 2, "There is no detector 'nobody'"),
        ("p.json", json.dumps({"rules": [{"name": "ipv4"}] * 1001}), 2, "`rules`"),
    ],
)
async def test_a_policy_that_cannot_be_used_is_told_readably_and_changes_nothing(
    cli: Cli, write: Any, name: str, text: str, code: int, named: str
) -> None:
    before = await version(cli)
    done = await cli("rules", "set", "redaction", write(name, text))
    assert (done.code, done.out) == (code, ""), done
    assert named in done.err
    assert "Traceback" not in done.err
    assert len(done.err) < 1000
    assert await version(cli) == before


async def test_a_pattern_that_explodes_elsewhere_is_linear_here(cli: Cli, write: Any) -> None:
    file = write("p.toml", "[[rules]]\nname = 'evil'\npattern = '(a|a|aa)+$'\n")
    done = await cli("rules", "test", write("long.txt", "a" * 5000 + "b"), "--policy", file)
    assert done.code == 0
    assert done.out.startswith("aaaa")


async def test_a_thousand_rules_are_one_policy(cli: Cli, write: Any) -> None:
    built_in = len((await cli("rules", "list", "--json")).json["rules"])
    rules = [{"name": f"r{n}", "pattern": rf"\bR{n}-[0-9]{{4}}\b"} for n in range(1000 - built_in)]
    done = await cli("rules", "set", "redaction", write("p.json", json.dumps({"rules": rules})))
    assert done.code == 0, done
    assert len((await cli("rules", "list", "--json")).json["rules"]) == 1000
    assert (await cli("rules", "test", "R7-1234")).out.startswith("[R7]\n")
    more = [*rules, {"name": "one_more", "pattern": "x"}]
    refused = await cli("rules", "set", "redaction", write("p.json", json.dumps({"rules": more})))
    assert refused.code == 2
    assert "the limit is 1000" in refused.err


async def test_a_policy_is_put_only_instead_of_the_one_expected(cli: Cli, write: Any) -> None:
    file, before = write("policy.toml", EMPLOYEE), await version(cli)
    stale = await cli("rules", "set", "redaction", file, "--expected-version", "0" * 12)
    assert stale.code == 1
    assert "Another redaction policy was put in force meanwhile." in stale.err
    assert await version(cli) == before
    files = [write(f"{n}.toml", EMPLOYEE + f"replacement = '[E{n}]'\n") for n in range(3)]
    words = ("--expected-version", before)
    done = await asyncio.gather(*(cli("rules", "set", "redaction", one, *words) for one in files))
    assert sorted(one.code for one in done) == [0, 1, 1]


async def test_a_gitleaks_file_is_imported_as_far_as_it_can_be(cli: Cli, write: Any) -> None:
    file, before = write("gitleaks.toml", GITLEAKS), await version(cli)
    dry = await cli("rules", "import", file, "--dry-run", "--json")
    assert (dry.code, dry.json["imported"]) == (0, ["gitleaks_acme_key"])
    assert [one["name"] for one in dry.json["refused"]] == ["look-behind", "path-only"]
    assert await version(cli) == before
    done = await cli("rules", "import", file)
    assert done.code == 0
    assert done.out.startswith("1 rules ")
    assert "look-behind: " in done.err
    assert "path-only: The rule has no `regex`" in done.err
    assert (await cli("rules", "test", "acme_x7k2m9q4")).out.startswith("[ACME_KEY]\n")
    for text, named in (("[[rules", "is not valid TOML"), ("a = 1", "has no `[[rules]]`")):
        broken = await cli("rules", "import", write("broken.toml", text))
        assert (broken.code, broken.out) == (2, "")
        assert named in broken.err


@pytest.mark.parametrize(
    ("words", "actor", "code", "named"),
    [
        (["list"], "reader", 1, "'reader' may not do 'policy.list'"),
        (["test", "x"], "reviewer", 1, "'reviewer' may not do 'policy.list'"),
        (["list", "nonsense"], None, 2, "'nonsense' is not one of"),
        (["set", "redaction", "no-such-file"], None, 2, "does not exist"),
        (["import", "no-such-file"], None, 2, "does not exist"),
        (["set"], None, 2, "Missing argument"),
    ],
)
async def test_wrong_usage_is_told_with_2_and_what_is_refused_with_1(
    cli: Cli, words: list[str], actor: str | None, code: int, named: str
) -> None:
    done = await cli("rules", *words, actor=actor)
    assert (done.code, done.out) == (code, ""), done
    assert named in done.err
