"""The bus's permissions: no voice but one's own, and nothing heard that is another's."""

import pytest
from permitted import (
    ALICE,
    APPENDS,
    AUDIT_CALLS,
    EVERYONE,
    LOG,
    NAMES,
    may_hear,
    may_publish,
    overlap,
    within,
)

from sealbook.contract import subjects
from sealbook.contract.events import EVENT_TYPES
from sealbook.errors import InvalidInput
from sealbook.provision.permissions import (
    AUDITOR,
    FIXED,
    PROVISIONER,
    RECORDER,
    SERVICES,
    BusUser,
    actor,
)


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
    f"$JS.API.CONSUMER.CREATE.{LOG}.*.sealbook.log.*.policy.changed.*",
    f"$JS.API.CONSUMER.MSG.NEXT.{LOG}.*",
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
            f"$JS.API.CONSUMER.CREATE.{LOG}.*.sealbook.log.*.interaction.*.*",
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
        ("keys.public", {"ingest"}),
        ("keys.rotate", {"ingest"}),
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
