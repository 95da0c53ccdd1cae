"""The bus's permissions: a configuration the server takes, and no voice but one's own."""

import re
import subprocess
from pathlib import Path

import pytest

from sealbook.contract import subjects
from sealbook.contract.events import EVENT_TYPES
from sealbook.embedded.binaries import program
from sealbook.errors import InvalidInput
from sealbook.provision.permissions import (
    PROVISIONER,
    RECORDER,
    SERVICES,
    BusUser,
    actor,
    render,
)

BY_NAME = {user.name: user for user in SERVICES}
ALICE, BOB = actor("alice"), actor("bob")
EVERYONE = [PROVISIONER, RECORDER, *SERVICES, ALICE, BOB]
APPENDS = {
    "ingest": {"interaction.recorded"},
    "review": {"interaction.reviewed", "interaction.opened", "projection.rebuilt"},
    "rollup": {"projection.rebuilt"},
    "export": {
        *("export.requested", "export.completed", "export.failed", "export.cancelled"),
        "projection.rebuilt",
    },
}


def overlap(one: str, other: str) -> bool:
    """Whether some subject matches both patterns (`*` is a token, `>` one or more at the end)."""
    left, right = one.split("."), other.split(".")
    for a, b in zip(left, right, strict=False):
        if ">" in (a, b):
            return True
        if "*" not in (a, b) and a != b:
            return False
    return len(left) == len(right)


def may_publish(user: BusUser, pattern: str) -> bool:
    return any(overlap(allowed, pattern) for allowed in user.publish)


def may_hear(user: BusUser, pattern: str) -> bool:
    return any(overlap(allowed, pattern) for allowed in user.subscribe)


def test_overlap_is_nats_own_rule() -> None:
    assert overlap("a.*.c", "a.b.*")
    assert overlap("a.>", "a.b.c")
    assert not overlap("a.>", "a")
    assert not overlap("a.b", "a.b.c")
    assert not overlap("a.*", "b.*")


@pytest.mark.parametrize(
    "password", ["pässword", 'with "quotes" and \\', "$SYS", "123", "a b#c;{}"]
)
def test_the_server_takes_the_configuration(tmp_path: Path, password: str) -> None:
    config = tmp_path / "nats.conf"
    config.write_text("port: -1\n" + render([(user, password) for user in EVERYONE]))
    done = subprocess.run(
        [program("nats-server"), "-t", "-c", config],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "is valid" in done.stderr + done.stdout


def test_every_user_is_rendered_with_its_own_inbox() -> None:
    rendered = render([(user, f"password of {user.name}") for user in EVERYONE])
    for user in EVERYONE:
        block = rendered.partition(f'user: "{user.name}"')[2].partition("user:")[0]
        assert f'"password of {user.name}"' in block
        assert re.findall(r"_INBOX_(\w+)", block) == [user.name, user.name]
        assert all(f'"{subject}"' in block for subject in (*user.publish, *user.subscribe))


def test_an_actor_speaks_under_its_own_name_only() -> None:
    verbs = ("review", "interaction.open", "projection.rebuild")
    assert all(may_publish(ALICE, subjects.command("alice", verb)) for verb in verbs)
    assert may_publish(ALICE, subjects.export_job("alice"))
    for verb in verbs:
        assert not may_publish(ALICE, subjects.command("bob", verb))
        assert not may_publish(ALICE, f"sealbook.command.{verb}")
    assert not may_publish(ALICE, subjects.export_job("bob"))


@pytest.mark.parametrize(
    "pattern", ["sealbook.submit.>", "sealbook.log.>", "sealbook.notice.>", "$JS.>", "$SYS.>"]
)
def test_an_actor_neither_submits_nor_appends_nor_administers(pattern: str) -> None:
    assert not may_publish(ALICE, pattern)


def test_an_actor_hears_notices_and_nobodys_commands() -> None:
    assert may_hear(ALICE, subjects.notice("export", "j"))
    for pattern in ("sealbook.command.>", "sealbook.job.>", "sealbook.submit.>", "sealbook.log.>"):
        assert not may_hear(ALICE, pattern)


@pytest.mark.parametrize("user", EVERYONE, ids=lambda user: user.name)
def test_nobody_else_gives_commands(user: BusUser) -> None:
    if user.name not in ("alice", "bob"):
        assert not may_publish(user, "sealbook.command.>")


@pytest.mark.parametrize("user", EVERYONE, ids=lambda user: user.name)
def test_nobody_is_granted_an_inbox_by_a_list(user: BusUser) -> None:
    # Its own comes with the rendering; another one would let it read or forge replies.
    granted = (*user.publish, *user.subscribe)
    assert not [subject for subject in granted if subject.startswith(("_INBOX", ">", "*"))]


@pytest.mark.parametrize("user", EVERYONE, ids=lambda user: user.name)
@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_service_appends_its_own_events_and_no_others(user: BusUser, event_type: str) -> None:
    owned = APPENDS.get(user.name, set()) | ({"access.refused"} if user in SERVICES else set())
    assert may_publish(user, subjects.event(0, event_type, "k")) == (event_type in owned)


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("sealbook.submit.>", {"recorder", "ingest"}),
        ("sealbook.job.>", {"export", "alice", "bob"}),
        ("sealbook.notice.>", {"export"}),
        ("$JS.API.STREAM.CREATE.*", {"provisioner"}),
        ("$JS.API.STREAM.DELETE.*", {"provisioner"}),
        ("$JS.API.STREAM.PURGE.*", {"provisioner"}),
        ("$JS.API.STREAM.MSG.DELETE.*", {"provisioner"}),
        ("$JS.API.STREAM.UPDATE.*", {"provisioner"}),
        ("$JS.API.CONSUMER.DELETE.*.*", {"provisioner"}),
        ("$JS.API.CONSUMER.CREATE.SEALBOOK_SUBMIT.>", {"provisioner"}),
        ("$JS.ACK.SEALBOOK_SUBMIT.>", {"ingest"}),
        ("$JS.ACK.SEALBOOK_JOB.>", {"export"}),
        ("$SYS.>", set()),
    ],
)
def test_only_who_needs_it_may_publish_there(pattern: str, allowed: set[str]) -> None:
    assert {user.name for user in EVERYONE if may_publish(user, pattern)} == allowed


@pytest.mark.parametrize(
    ("verb", "owners"),
    [
        ("review", {"review"}),
        ("interaction.open", {"review"}),
        ("interaction.list", {"review"}),
        ("audit.list", {"review"}),
        ("rollup.query", {"rollup"}),
        ("export.request", {"export"}),
        ("export.download", {"export"}),
        ("quarantine.retry", {"ingest"}),
        ("projection.rebuild", {"review", "rollup", "export"}),
        ("status", {"ingest", "review", "rollup", "export"}),
    ],
)
def test_a_command_is_heard_by_its_owners(verb: str, owners: set[str]) -> None:
    asked = subjects.command("alice", verb)
    assert {user.name for user in EVERYONE if may_hear(user, asked)} == owners


def test_only_the_queues_owner_reads_submissions() -> None:
    # Through its consumer; nobody may listen to the plain subject.
    assert not [user.name for user in EVERYONE if may_hear(user, "sealbook.submit.>")]
    reads = "$JS.API.CONSUMER.MSG.NEXT.SEALBOOK_SUBMIT.ingest"
    assert {user.name for user in EVERYONE if may_publish(user, reads)} == {
        "ingest",
        "provisioner",
    }


@pytest.mark.parametrize("name", ["", "a.b", "*", ">", "a b", "x" * 65, "é", 'a"'])
def test_an_actors_name_is_a_token(name: str) -> None:
    with pytest.raises(InvalidInput, match="actor"):
        actor(name)


@pytest.mark.parametrize(
    "name", ["ingest", "review", "rollup", "export", "recorder", "provisioner"]
)
def test_an_actor_cannot_take_the_name_of_a_part(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{name}' is taken"):
        actor(name)
