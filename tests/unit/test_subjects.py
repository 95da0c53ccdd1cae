"""Subjects: every spelling pinned, and nothing from outside that could change one's meaning."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sealbook.contract import subjects
from sealbook.errors import InvalidInput
from sealbook.stream.bus import BusAddress

NAUGHTY = Path(__file__).parents[3] / "shared/data/json/naughty/blns.json"

BUILDERS: list[Callable[[str], str]] = [
    subjects.submit,
    subjects.export_job,
    lambda name: subjects.command(name, "review"),
    lambda name: subjects.event(0, "interaction.recorded", name),
    lambda name: subjects.event_anywhere("export.*", name),
    lambda name: subjects.notice("export", name),
    subjects.inbox,
]


def matches(pattern: str, subject: str) -> bool:
    """NATS's rule: `*` is one token, `>` is one or more at the end."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted, given = wanted[:-1], given[: len(wanted) - 1]
        if len(subject.split(".")) <= len(wanted):
            return False
    return len(wanted) == len(given) and all(
        token in ("*", one) for token, one in zip(wanted, given, strict=True)
    )


@pytest.mark.parametrize(
    ("built", "spelled"),
    [
        (subjects.submit("support"), "sealbook.submit.support"),
        (subjects.command("alice", "interaction.open"), "sealbook.command.alice.interaction.open"),
        (subjects.commands("review"), "sealbook.command.*.review"),
        (subjects.export_job("alice"), "sealbook.job.export.alice"),
        (
            subjects.event(3, "interaction.recorded", "k-1"),
            "sealbook.log.3.interaction.recorded.k-1",
        ),
        (subjects.event_anywhere("export.*", "j"), "sealbook.log.*.export.*.j"),
        (subjects.events("interaction.reviewed"), "sealbook.log.*.interaction.reviewed.*"),
        (subjects.notice("rebuild", "review"), "sealbook.notice.rebuild.review"),
        (subjects.inbox("alice"), "_INBOX.alice"),
    ],
)
def test_subjects_are_spelled_as_the_interface_says(built: str, spelled: str) -> None:
    assert built == spelled


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize(
    "name",
    ["", "a.b", "*", ">", "$SYS", "a b", "a\r\nb", "a\n", "a\0", "\t", "é", "a/b", "x" * 65, "ａ"],
)
def test_a_name_that_does_not_fit_never_enters_a_subject(
    build: Callable[[str], str], name: str
) -> None:
    with pytest.raises(InvalidInput, match=rf"\({len(name)} characters\)"):
        build(name)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("name", ["a", "A-z_09", "x" * 64, "-", "0"])
def test_a_name_that_fits_is_one_token(build: Callable[[str], str], name: str) -> None:
    assert name in build(name).split(".")
    assert build(name).count(".") == build("n").count(".")


def test_naughty_strings_are_plain_tokens_or_refused_without_being_quoted() -> None:
    if not NAUGHTY.exists():
        pytest.skip(f"the naughty strings are not at {NAUGHTY}")
    refused = 0
    for text in json.loads(NAUGHTY.read_text("utf-8")):
        try:
            assert subjects.submit(text).split(".")[2:] == [text]
        except InvalidInput as error:
            refused += 1
            assert len(text) < 20 or text not in str(error)
    assert refused > 400


def test_project_of_is_the_token_of_a_submit_subject() -> None:
    assert subjects.project_of("sealbook.submit.support") == "support"


@pytest.mark.parametrize("name", ["", "a.b", "$x", "a b", "x" * 65])
def test_project_of_is_none_for_a_bad_name(name: str) -> None:
    assert subjects.project_of(f"sealbook.submit.{name}") is None


def test_actor_of_reads_commands_and_jobs() -> None:
    assert subjects.actor_of(subjects.command("alice", "review")) == "alice"
    assert subjects.actor_of(subjects.command("alice", "interaction.open")) == "alice"
    assert subjects.actor_of(subjects.export_job("bob")) == "bob"


def test_actor_of_refuses_a_name_that_is_none() -> None:
    with pytest.raises(InvalidInput, match="actor"):
        subjects.actor_of("sealbook.command.$SYS.review")


@pytest.mark.parametrize(
    "pattern",
    [
        subjects.ALL_EVENTS,
        subjects.events("interaction.recorded"),
        subjects.events("interaction.*"),
        subjects.event_anywhere("interaction.recorded", "k"),
        subjects.event_anywhere("interaction.*", "k"),
    ],
)
def test_readers_patterns_match_what_is_appended(pattern: str) -> None:
    appended = subjects.event(7, "interaction.recorded", "k")
    assert matches(pattern, appended)
    assert not matches(pattern, subjects.submit("k"))
    assert subjects.partition_in(appended) == 7


def test_streams_hold_what_is_published_for_them() -> None:
    assert matches(subjects.ALL_SUBMISSIONS, subjects.submit("p"))
    assert matches(subjects.ALL_EXPORT_JOBS, subjects.export_job("a"))
    assert matches(subjects.ALL_JOBS, subjects.export_job("a"))
    assert matches(subjects.commands("review"), subjects.command("a", "review"))
    assert not matches(subjects.commands("review"), subjects.command("a", "review.claim"))
    assert matches(subjects.ALL_NOTICES, subjects.notice("export", "j"))


def test_a_client_gets_its_replies_in_its_own_inbox() -> None:
    assert BusAddress("nats://h", user="alice").inbox_prefix == subjects.inbox("alice")
    for name in ("alice.b", "*", ">", ""):
        with pytest.raises(InvalidInput):
            subjects.inbox(name)


# http://www.isthe.com/chongo/tech/comp/fnv/ (test vectors of FNV-1a, 32 bits)
@pytest.mark.parametrize(
    ("key", "digest"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)]
)
def test_partition_is_fnv_1a(key: str, digest: int) -> None:
    assert subjects.partition_of(key, 2**32) == digest
    assert subjects.partition_of(key, 8) == digest % 8


def test_every_partition_gets_its_share() -> None:
    counts = [0] * 8
    for number in range(8000):
        counts[subjects.partition_of(f"user-{number}", 8)] += 1
    assert min(counts) > 800
