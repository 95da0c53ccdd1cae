"""Authorization: each role's actions, in its projects and nowhere else; no policy, no start."""

from pathlib import Path
from typing import Any

import pytest

from sealbook.errors import Misconfigured, Refused
from sealbook.runtime.authorization import ACTIONS, Policy, parse_policy, read_policy

READ = {"interaction.list", "rollup.query", "keys.public"}
EXPORT = {"export.request", "export.list", "export.cancel", "export.download", "export.payloads"}
ADMINISTER = {
    *("audit.list", "projection.rebuild", "quarantine.list", "quarantine.retry", "status"),
    *("keys.list", "keys.rotate", "policy.list", "policy.put"),
}
# The table of docs/authorization.md, written down a second time on purpose.
MAY = {
    "reader": READ,
    "reviewer": READ | {"review", "interaction.open"},
    "exporter": READ | EXPORT,
    "administrator": READ | EXPORT | ADMINISTER | {"review", "interaction.open"},
}
EVERYTHING = MAY["administrator"]


def policy(**roles: list[str]) -> Policy:
    return parse_policy({"actors": {"alice": roles}})


@pytest.mark.parametrize("role", MAY)
def test_a_role_allows_its_actions_and_no_others(role: str) -> None:
    made = policy(**{role: ["support"]})
    allowed = {action for action in EVERYTHING if made.allows("alice", action, "support")}
    assert allowed == MAY[role]


def test_no_role_allows_an_action_that_is_not_listed_here() -> None:
    assert ACTIONS.keys() == MAY.keys()
    assert frozenset().union(*ACTIONS.values()) == EVERYTHING


@pytest.mark.parametrize("role", MAY)
def test_a_role_counts_in_its_projects_only(role: str) -> None:
    made = policy(**{role: ["support", "sales"]})
    assert made.allows("alice", "rollup.query", "sales")
    assert not made.allows("alice", "rollup.query", "billing")
    assert not made.allows("alice", "rollup.query", None)
    assert not made.allows("alice", "rollup.query", "*")
    assert not made.allows("alice", "rollup.query", "")


def test_a_star_is_every_project_and_all_of_them_together() -> None:
    made = policy(reader=["*"])
    assert made.allows("alice", "interaction.list", "anything")
    assert made.allows("alice", "interaction.list", None)
    assert made.projects("alice", "interaction.list") is None


def test_roles_add_up_per_project() -> None:
    made = policy(reviewer=["support"], exporter=["sales"], reader=["billing"])
    assert made.projects("alice", "review") == {"support"}
    assert made.projects("alice", "export.request") == {"sales"}
    assert made.projects("alice", "rollup.query") == {"support", "sales", "billing"}
    assert made.projects("alice", "status") == frozenset()


@pytest.mark.parametrize("actor", ["mallory", "", "Alice", "alice "])
@pytest.mark.parametrize("action", sorted(EVERYTHING))
def test_an_actor_that_is_not_named_may_do_nothing(actor: str, action: str) -> None:
    made = policy(administrator=["*"])
    assert not made.allows(actor, action, "support")
    assert made.projects(actor, action) == frozenset()


@pytest.mark.parametrize("action", ["", "review ", "Review", "interaction", "*", "subject.erase"])
def test_an_unknown_action_is_allowed_to_nobody(action: str) -> None:
    with pytest.raises(Refused):
        policy(administrator=["*"]).authorize("alice", action, "support")


def test_a_refusal_says_who_what_and_where_and_is_final() -> None:
    with pytest.raises(Refused) as caught:
        policy(reader=["support"]).authorize("alice", "review", "support", resource="i-1")
    assert "'alice' may not do 'review' in project 'support'." in str(caught.value)
    assert (caught.value.project, caught.value.resource) == ("support", "i-1")
    assert (caught.value.code, caught.value.retryable) == ("refused", False)


def test_a_refusal_for_all_projects_says_so() -> None:
    with pytest.raises(Refused, match="in every project"):
        policy(reader=["support"]).authorize("alice", "rollup.query", None)


def test_what_is_allowed_passes() -> None:
    made = policy(reviewer=["support"])
    made.authorize("alice", "review", "support")
    assert made.authorized_projects("alice", "review", "support") == {"support"}


def test_a_question_that_names_no_project_looks_where_its_actor_may() -> None:
    made = policy(reviewer=["support", "sales"], reader=["billing"])
    assert made.authorized_projects("alice", "review", None) == {"support", "sales"}
    assert made.authorized_projects("alice", "rollup.query", None) == {
        *("support", "sales", "billing"),
    }
    assert policy(reader=["*"]).authorized_projects("alice", "rollup.query", None) is None


def test_a_question_that_names_a_project_is_refused_where_its_actor_may_not() -> None:
    made = policy(reviewer=["support"], reader=["sales"])
    assert made.authorized_projects("alice", "rollup.query", "sales") == {"support", "sales"}
    for project in ("sales", "billing", "*", ""):
        with pytest.raises(Refused) as caught:
            made.authorized_projects("alice", "review", project)
        assert caught.value.project == project
    assert policy(reader=["*"]).authorized_projects("alice", "rollup.query", "any") is None


@pytest.mark.parametrize("project", [None, "support"])
def test_who_may_nowhere_is_refused_and_not_shown_nothing(project: str | None) -> None:
    for made, action in (
        (policy(reader=["support"]), "review"),
        (policy(reader=["*"]), "review"),
        (policy(reader=[]), "rollup.query"),
        (policy(administrator=["*"]), "subject.erase"),
    ):
        with pytest.raises(Refused):
            made.authorized_projects("alice", action, project)
        with pytest.raises(Refused):
            made.authorized_projects("mallory", action, project)


def test_a_policy_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[actors.alice]\nreviewer = ["support"]\n\n[actors."o_brien-2"]\nreader = []\n')
    assert read_policy(path) == Policy(
        {"alice": {"reviewer": frozenset({"support"})}, "o_brien-2": {"reader": frozenset()}}
    )


def test_without_a_policy_nothing_starts() -> None:
    with pytest.raises(Misconfigured, match="SEALBOOK_POLICY_FILE"):
        read_policy(None)


@pytest.mark.parametrize("content", [None, b"[actors", b"\xff\xfe", b"actors = 1\nactors = 2"])
def test_a_policy_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "policy.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match=f"{path} cannot be read"):
        read_policy(path)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({}, "one table, `actors`"),
        ({"actors": {}, "roles": {}}, "one table, `actors`"),
        ({"actors": ["alice"]}, "one table, `actors`"),
        ({"actors": {"alice": ["reader"]}}, "'alice' is not a table"),
        ({"actors": {"alice": {"root": ["*"]}}}, "'alice' the unknown role 'root'"),
        ({"actors": {"alice": {"Reader": ["*"]}}}, "unknown role 'Reader'"),
        ({"actors": {"alice": {"reader": "*"}}}, "'alice' does not list projects for 'reader'"),
        ({"actors": {"alice": {"reader": [1]}}}, "does not list projects"),
        ({"actors": {"alice": {"reader": {"support": True}}}}, "does not list projects"),
    ],
)
def test_a_malformed_policy_is_refused_by_what_does_not_fit(
    document: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        parse_policy(document)
