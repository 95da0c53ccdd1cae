"""The bus's permissions: a configuration the server takes, and no voice but one's own."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from sealbook.contract import subjects
from sealbook.contract.events import EVENT_TYPES
from sealbook.embedded.binaries import program
from sealbook.errors import InvalidInput
from sealbook.provision.permissions import (
    AUDIT_API_PREFIX,
    AUDITOR,
    FIXED,
    PROVISIONER,
    RECORDER,
    SERVICES,
    BusUser,
    actor,
    render,
)

LOG = subjects.LOG_STREAM
ALICE, BOB = actor("alice"), actor("bob")
EVERYONE = [*FIXED, ALICE, BOB]
NAMES = {user.name for user in EVERYONE}
AUDIT_CALLS = (f"CONSUMER.CREATE.{LOG}.>", f"CONSUMER.MSG.NEXT.{LOG}.>", f"STREAM.INFO.{LOG}")
APPENDS = {
    "ingest": {"interaction.recorded"},
    "review": {"interaction.reviewed", "interaction.opened", "projection.rebuilt"},
    "rollup": {"projection.rebuilt"},
    "export": {
        *("export.requested", "export.completed", "export.failed", "export.cancelled"),
        *("download.issued", "projection.rebuilt"),
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


def within(one: str, other: str) -> bool:
    """Whether every subject that `one` matches is matched by `other`."""
    left, right = one.split("."), other.split(".")
    for place, wanted in enumerate(right):
        if wanted == ">":
            return len(left) > place
        if place >= len(left) or left[place] == ">" or (wanted != "*" and left[place] != wanted):
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
    assert within("a.b", "a.*")
    assert within("a.*.c", "a.>")
    assert not within("a.*", "a.b")
    assert not within("a.>", "a.*")
    assert not within("a", "a.>")
    assert not within("a.b.c", "a.b")


def test_the_fixed_users_are_these() -> None:
    assert (PROVISIONER, *SERVICES, RECORDER, AUDITOR) == FIXED
    assert [user.name for user in FIXED] == [
        *("provisioner", "ingest", "review", "rollup", "export", "recorder", "auditor"),
    ]


def accounts(users: Sequence[BusUser] = EVERYONE) -> dict[str, str]:
    """What is rendered, account by account."""
    rendered = render([(user, "p") for user in users])
    assert rendered.startswith("accounts {\n")
    assert rendered.endswith("  }\n}\n")
    _, *parts = re.split(r"^  (\w+) \{$", rendered, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def listed(account: str, direction: str) -> list[str]:
    """The lines of an account's `exports`, `imports` or `users`; none when it has no such list."""
    found = re.search(rf"^    {direction}: \[\n(.*?)\n    \]$", account, re.MULTILINE | re.DOTALL)
    return [line.strip().removesuffix(",") for line in found[1].splitlines()] if found else []


def test_who_serves_who_uses_and_who_audits_have_an_account_each() -> None:
    everyone = accounts()
    assert list(everyone) == ["SEALBOOK", "CLIENTS", "AUDITORS"]
    members = {
        name: set(re.findall(r'user: "([^"]+)"', account)) for name, account in everyone.items()
    }
    assert members == {
        "SEALBOOK": {"provisioner", "ingest", "review", "rollup", "export"},
        "CLIENTS": {"recorder", "alice", "bob"},
        "AUDITORS": {"auditor"},
    }
    assert sum(len(listed(account, "users")) for account in everyone.values()) == len(EVERYONE)


def test_only_the_account_of_the_services_has_streams() -> None:
    everyone = accounts()
    assert "    jetstream: enabled\n" in everyone["SEALBOOK"]
    for name in ("CLIENTS", "AUDITORS"):
        # A `jetstream` here would give it streams of its own, and a `$JS.API` that knows them.
        assert "jetstream" not in everyone[name]
    # One way only: nothing of theirs leads back, and nothing from elsewhere leads in.
    assert listed(everyone["SEALBOOK"], "imports") == []
    assert listed(everyone["CLIENTS"], "exports") == []
    assert listed(everyone["AUDITORS"], "exports") == []


def test_only_submissions_jobs_commands_and_notices_lead_to_clients() -> None:
    everyone = accounts()
    crossing = {
        ("service", "sealbook.submit.*"),
        ("service", "sealbook.job.export.*"),
        ("service", "sealbook.command.>"),
        ("stream", "sealbook.notice.>"),
    }
    assert set(listed(everyone["CLIENTS"], "imports")) == {
        f'{{ {kind}: {{ account: SEALBOOK, subject: "{subject}" }} }}' for kind, subject in crossing
    }
    exported = listed(everyone["SEALBOOK"], "exports")
    # Commands may have more than one answer; the others one or none.
    assert set(exported[: len(crossing)]) == {
        '{ service: "sealbook.submit.*" }',
        '{ service: "sealbook.job.export.*" }',
        '{ service: "sealbook.command.>", response_type: stream }',
        '{ stream: "sealbook.notice.>" }',
    }
    assert len(exported) == len(crossing) + len(AUDIT_CALLS)


def test_only_reading_the_log_leads_to_auditors_and_to_nobody_else() -> None:
    everyone = accounts()
    exported = listed(everyone["SEALBOOK"], "exports")
    audit = [line for line in exported if "$" in line]
    # Without `accounts` any account could import them; one pull has many answers.
    assert audit == [
        f'{{ service: "$JS.API.{call}", response_type: stream, accounts: [AUDITORS] }}'
        for call in AUDIT_CALLS
    ]
    assert [line for line in exported if "accounts" in line] == audit
    assert listed(everyone["AUDITORS"], "imports") == [
        f'{{ service: {{ account: SEALBOOK, subject: "$JS.API.{call}" }},'
        f' to: "$JS.SEALBOOK.API.{call}" }}'
        for call in AUDIT_CALLS
    ]
    assert "$" not in everyone["CLIENTS"]


def test_without_auditors_and_actors_the_accounts_are_the_same() -> None:
    for name, account in accounts([PROVISIONER, *SERVICES]).items():
        for direction in ("exports", "imports"):
            assert listed(account, direction) == listed(accounts()[name], direction)


def test_auditors_ask_by_a_prefix_that_is_not_jetstreams_own() -> None:
    assert AUDIT_API_PREFIX == "$JS.SEALBOOK.API"
    assert not overlap(f"{AUDIT_API_PREFIX}.>", "$JS.API.>")


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


def test_every_user_is_rendered_with_its_own_inbox_and_nothing_it_was_not_given() -> None:
    rendered = render([(user, f"password of {user.name}") for user in EVERYONE])
    assert "allow_responses" not in rendered
    assert rendered.count("user: ") == len(EVERYONE)
    for user in EVERYONE:
        block = rendered.partition(f'user: "{user.name}"')[2].partition("user:")[0]
        assert f'"password of {user.name}"' in block
        permissions = re.search(r"publish: (\[.*?\]), subscribe: (\[.*?\]) } }", block)
        assert permissions is not None
        assert json.loads(permissions[1]) == list(user.publish)
        assert json.loads(permissions[2]) == [*user.subscribe, f"_INBOX.{user.name}.>"]


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
def test_nobody_hears_an_inbox_but_its_own(user: BusUser) -> None:
    # Its own comes with the rendering; another one would let it read others' replies.
    assert not may_hear(user, "_INBOX.>")
    assert not [subject for subject in user.subscribe if subject.startswith(("_", "$", ">", "*"))]
    own = f"{subjects.inbox(user.name)}.>"
    others = [name for name in (*NAMES, f"{user.name}2", user.name[:-1]) if name != user.name]
    assert not [name for name in others if overlap(own, f"{subjects.inbox(name)}.>")]


@pytest.mark.parametrize("user", EVERYONE, ids=lambda user: user.name)
def test_only_who_answers_may_publish_answers(user: BusUser) -> None:
    assert may_publish(user, "_R_.>") == (user in SERVICES)
    # Nobody publishes into inboxes: answers come from the server, or over the crossing.
    assert not may_publish(user, "_INBOX.>")


@pytest.mark.parametrize("service", SERVICES, ids=lambda user: user.name)
def test_an_answer_reaches_the_crossing_or_what_the_service_itself_may_write(
    service: BusUser,
) -> None:
    for place in ("sealbook.>", "$JS.>", "$SYS.>", "$KV.>", "$O.>", "_INBOX.>"):
        assert not overlap("_R_.>", place)
    appended = {subjects.events(kind) for kind in (*APPENDS[service.name], "access.refused")}
    for granted in service.publish:
        if overlap(granted, "sealbook.log.>"):
            assert granted in appended | {subjects.events("export.*")}
        assert not overlap(granted, "sealbook.submit.>")
        assert not overlap(granted, "sealbook.command.>")
        assert not overlap(granted, "$SYS.>")


JETSTREAM = {
    "provisioner": {"$JS.API.>"},
    "recorder": set(),
    "auditor": {f"$JS.SEALBOOK.API.{call}" for call in AUDIT_CALLS},
    "alice": set(),
    "bob": set(),
}
JETSTREAM["review"] = JETSTREAM["rollup"] = {
    *(f"$JS.API.{call}" for call in AUDIT_CALLS),
    f"$JS.API.DIRECT.GET.{LOG}",
}
JETSTREAM["ingest"] = {
    f"$JS.API.STREAM.INFO.{LOG}",
    f"$JS.API.DIRECT.GET.{LOG}",
    "$JS.API.CONSUMER.MSG.NEXT.SEALBOOK_SUBMIT.ingest",
    "$JS.API.CONSUMER.INFO.SEALBOOK_SUBMIT.ingest",
    "$JS.ACK.SEALBOOK_SUBMIT.ingest.>",
}
JETSTREAM["export"] = JETSTREAM["review"] | {
    "$JS.API.CONSUMER.MSG.NEXT.SEALBOOK_JOB.export",
    "$JS.API.CONSUMER.INFO.SEALBOOK_JOB.export",
    "$JS.ACK.SEALBOOK_JOB.export.>",
}


@pytest.mark.parametrize("user", EVERYONE, ids=lambda user: user.name)
def test_everyone_asks_of_jetstream_what_it_needs_and_no_more(user: BusUser) -> None:
    asked = {subject for subject in user.publish if overlap(subject, "$JS.>")}
    assert asked == JETSTREAM[user.name]
    assert {subject for subject in user.publish if subject.startswith((">", "*"))} == set()


def test_the_auditor_reads_the_log_and_does_nothing_else() -> None:
    assert set(AUDITOR.publish) == JETSTREAM["auditor"]
    assert list(AUDITOR.subscribe) == []
    assert not may_publish(AUDITOR, "sealbook.>")
    assert all(within(subject, "$JS.SEALBOOK.API.>") for subject in AUDITOR.publish)
    assert not may_publish(AUDITOR, "$JS.API.>")
    assert not may_publish(AUDITOR, "$JS.ACK.>")
    assert not [subject for subject in AUDITOR.publish if "SUBMIT" in subject or "JOB" in subject]


def test_no_actor_reads_the_log() -> None:
    reads = (f"$JS.API.CONSUMER.*.{LOG}.>", f"$JS.API.DIRECT.GET.{LOG}", "$JS.API.STREAM.>")
    for pattern in (*reads, "$JS.SEALBOOK.>", "sealbook.log.>"):
        assert not may_publish(ALICE, pattern)
        assert not may_hear(ALICE, pattern)


@pytest.mark.parametrize("user", EVERYONE, ids=lambda user: user.name)
@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_service_appends_its_own_events_and_no_others(user: BusUser, event_type: str) -> None:
    owned = APPENDS.get(user.name, set()) | ({"access.refused"} if user in SERVICES else set())
    assert may_publish(user, subjects.event(0, event_type, "k")) == (event_type in owned)


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("sealbook.submit.>", {"recorder"}),
        ("sealbook.job.>", {"export", "alice", "bob"}),
        ("sealbook.notice.>", {"export"}),
        ("$JS.API.STREAM.CREATE.*", {"provisioner"}),
        ("$JS.API.STREAM.DELETE.*", {"provisioner"}),
        ("$JS.API.STREAM.PURGE.*", {"provisioner"}),
        ("$JS.API.STREAM.MSG.DELETE.*", {"provisioner"}),
        ("$JS.API.STREAM.UPDATE.*", {"provisioner"}),
        ("$JS.API.CONSUMER.DELETE.*.*", {"provisioner"}),
        ("$JS.API.CONSUMER.CREATE.SEALBOOK_SUBMIT.>", {"provisioner"}),
        ("$JS.API.CONSUMER.CREATE.SEALBOOK_JOB.>", {"provisioner"}),
        (
            f"$JS.API.CONSUMER.CREATE.{LOG}.>",
            {"provisioner", "review", "rollup", "export"},
        ),
        ("$JS.SEALBOOK.>", {"auditor"}),
        (f"$JS.SEALBOOK.API.STREAM.INFO.{LOG}", {"auditor"}),
        ("$JS.SEALBOOK.API.STREAM.DELETE.*", set()),
        ("$JS.SEALBOOK.API.STREAM.MSG.DELETE.*", set()),
        ("$JS.SEALBOOK.API.CONSUMER.CREATE.SEALBOOK_SUBMIT.>", set()),
        ("_R_.>", {"ingest", "review", "rollup", "export"}),
        ("_INBOX.>", set()),
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
    "name", ["ingest", "review", "rollup", "export", "recorder", "provisioner", "auditor"]
)
def test_an_actor_cannot_take_the_name_of_a_part(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{name}' is taken"):
        actor(name)
