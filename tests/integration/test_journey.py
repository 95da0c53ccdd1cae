"""The journey of an interaction: recorded by every client, listed, opened, reviewed, summed."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from nats.aio.client import Client
from seen import interactions, recorded, rolled_up, sums, trail
from sending import CALL, CALL_CENTS, send
from waiting import until

from sealbook import BlockingRecorder, Recorder
from sealbook.cli.connection import Door, find_connection
from sealbook.cli.stack import Stack
from sealbook.contract.ids import new_id
from sealbook.contract.replies import CommandFailed

SAID = "jane.doe@example.com"
LABELS = {
    "tags": ["triage", "urgent"],
    "session_id": "s-1",
    "user": "u-17",
    "latency_ms": 187.5,
    "metadata": {"ticket": 7},
    "agent": "helper",
}


def assert_understood(row: dict[str, Any]) -> None:
    assert (row["provider"], row["model"], row["status"]) == ("openai", "gpt-4o-mini", "success")
    assert (row["input_tokens"], row["output_tokens"]) == (1000, 500)
    assert Decimal(row["cost_total_cents"]) == Decimal(CALL_CENTS)
    assert (row["tags"], row["session_id"], row["latency_ms"]) == (
        LABELS["tags"],
        LABELS["session_id"],
        LABELS["latency_ms"],
    )
    assert set(row["redactions"]) == {"email"}
    assert (row["review_state"], row["review_version"]) == ("unreviewed", 0)


async def one(recorder: Recorder, admin: Door, project: str) -> dict[str, Any]:
    """An interaction that was recorded just now, as the list shows it."""
    assert (await recorder.record(**CALL, **LABELS)).ok
    return (await recorded(admin, project, 1))[0]


async def many(recorder: Recorder, admin: Door, project: str, count: int) -> list[dict[str, Any]]:
    receipts = await recorder.record_many({**CALL, "session_id": f"s-{n}"} for n in range(count))
    assert all(receipt.ok for receipt in receipts)
    return await recorded(admin, project, count)


async def test_what_the_recorder_records_is_listed_with_usage_cost_and_tags(
    recorder: Recorder, admin: Door, project: str
) -> None:
    receipt = await recorder.record(**CALL, **LABELS)
    [row] = await recorded(admin, project, 1)
    assert row["id"] == str(receipt.interaction_id)
    assert_understood(row)


async def test_the_blocking_recorder_records_the_same(
    stack: Stack, admin: Door, project: str
) -> None:
    at = find_connection(stack.data, "admin").address("recorder")

    def record() -> bool:
        with BlockingRecorder(
            at.url, project=project, user=at.user, password=at.password
        ) as opened:
            return opened.record(**CALL, **LABELS).ok

    assert await asyncio.to_thread(record)
    [row] = await recorded(admin, project, 1)
    assert_understood(row)


async def test_a_json_body_of_any_nats_client_is_recorded(
    submitter: Client, admin: Door, project: str
) -> None:
    await send(submitter, project, {**CALL, **LABELS})
    [row] = await recorded(admin, project, 1)
    assert_understood(row)


async def test_the_message_id_of_any_nats_client_becomes_the_interaction_id(
    submitter: Client, admin: Door, project: str
) -> None:
    interaction_id = new_id()
    await send(submitter, project, {**CALL, **LABELS}, interaction_id)
    await send(submitter, project, {**CALL, **LABELS}, interaction_id)
    [row] = await recorded(admin, project, 1)
    assert row["id"] == str(interaction_id)
    assert_understood(row)


async def test_an_opened_payload_is_redacted_and_the_act_is_on_record(
    recorder: Recorder, admin: Door, reviewer: Door, project: str
) -> None:
    row = await one(recorder, admin, project)
    opened = (await reviewer.ask("interaction.open", id=row["id"]))["interaction"]
    assert opened["request"]["messages"][0]["content"] == "Write to [EMAIL], please."
    assert opened["response"]["choices"][0]["message"]["content"] == "Done."
    assert opened["metadata"] == LABELS["metadata"]
    assert opened["user"] == LABELS["user"]
    assert SAID not in str(opened)
    lines = await until(
        lambda: trail(admin, interaction_id=row["id"]), bool, "the opening in the audit trail"
    )
    assert [(line["actor"], line["action"], line["project"]) for line in lines] == [
        ("reviewer", "interaction.opened", project)
    ]


async def test_a_review_shows_with_its_comment_and_stands_in_the_audit_trail(
    recorder: Recorder, admin: Door, reviewer: Door, project: str
) -> None:
    row = await one(recorder, admin, project)
    reply = await reviewer.ask(
        "review", ids=[row["id"]], state="flagged", comment="Looks odd.", expected_version=0
    )
    assert reply["reviewed"] == 1
    assert reply["results"][0]["version"] == 1

    [shown] = await until(
        lambda: interactions(admin, project, review_state="flagged"), bool, "the review"
    )
    assert (shown["reviewed_by"], shown["review_version"]) == ("reviewer", 1)
    opened = await admin.ask("interaction.open", id=row["id"])
    assert [
        (review["state"], review["actor"], review["comment"]) for review in opened["reviews"]
    ] == [("flagged", "reviewer", "Looks odd.")]
    [line] = [
        line
        for line in await trail(admin, interaction_id=row["id"])
        if line["action"] == "interaction.reviewed"
    ]
    assert line["details"] == {"from": "unreviewed", "to": "flagged", "version": 1, "comment": True}


async def test_a_stale_expected_version_is_answered_with_conflict(
    recorder: Recorder, admin: Door, reviewer: Door, project: str
) -> None:
    row = await one(recorder, admin, project)
    await reviewer.ask("review", ids=[row["id"]], state="approved", expected_version=0)
    for version in (0, 5):
        with pytest.raises(CommandFailed, match="somebody decided") as caught:
            await reviewer.ask(
                "review", ids=[row["id"]], state="rejected", expected_version=version
            )
        assert caught.value.code == "conflict"
    [shown] = await until(
        lambda: interactions(admin, project), lambda rows: rows[0]["review_version"], "the review"
    )
    assert (shown["review_state"], shown["review_version"]) == ("approved", 1)


async def test_of_concurrent_reviewers_with_the_same_expectation_exactly_one_wins(
    recorder: Recorder, admin: Door, open_door: Any, project: str
) -> None:
    row = await one(recorder, admin, project)
    doors = [await open_door(name) for name in ("reviewer", "second") * 4]

    async def decide(door: Door, state: str) -> str:
        try:
            await door.ask("review", ids=[row["id"]], state=state, expected_version=0)
        except CommandFailed as error:
            return error.code
        return state

    states = ("approved", "rejected") * 4
    outcomes = await asyncio.gather(*map(decide, doors, states))
    assert outcomes.count("conflict") == len(doors) - 1
    [won] = [outcome for outcome in outcomes if outcome != "conflict"]
    [shown] = await until(
        lambda: interactions(admin, project), lambda rows: rows[0]["review_version"], "the review"
    )
    assert (shown["review_state"], shown["review_version"]) == (won, 1)


async def test_reviews_without_an_expectation_all_count_in_order(
    recorder: Recorder, admin: Door, open_door: Any, project: str
) -> None:
    row = await one(recorder, admin, project)
    doors = [await open_door(name) for name in ("reviewer", "second")]
    replies = await asyncio.gather(
        *(door.ask("review", ids=[row["id"]], state="approved") for door in doors)
    )
    versions = sorted(reply["results"][0]["version"] for reply in replies)
    assert versions == [1, 2]


async def test_many_ids_are_reviewed_one_answer_each(
    recorder: Recorder, admin: Door, reviewer: Door, project: str
) -> None:
    ids = [row["id"] for row in await many(recorder, admin, project, 20)]
    unknown = str(new_id())
    reply = await reviewer.ask("review", ids=[*ids, unknown], state="approved")
    assert (reply["reviewed"], reply["failed"]) == (20, 1)
    assert [result["id"] for result in reply["results"]] == [*ids, unknown]
    assert reply["results"][-1]["error"]["code"] == "not_found"
    await until(
        lambda: interactions(admin, project, review_state="approved"),
        lambda rows: len(rows) == 20,
        "20 approved interactions",
    )


async def test_a_filter_reviews_what_it_matches_and_nothing_else(
    recorder: Recorder, admin: Door, reviewer: Door, project: str
) -> None:
    await many(recorder, admin, project, 5)
    wanted = {"project": project, "session_id": "s-3"}
    reply = await reviewer.ask("review", filter=wanted, state="rejected")
    assert reply["reviewed"] == 1
    [row] = await until(
        lambda: interactions(admin, project, review_state="rejected"), bool, "the rejection"
    )
    assert row["session_id"] == "s-3"
    assert len(await interactions(admin, project, review_state="unreviewed")) == 4


async def test_the_rollup_counts_calls_errors_tokens_and_unknown_cost(
    recorder: Recorder, admin: Door, project: str
) -> None:
    await recorder.record(**CALL, latency_ms=100)
    await recorder.record(**CALL, latency_ms=300)
    await recorder.record(provider="nobody", model="unknown-model", input_tokens=7, latency_ms=500)
    await recorder.record(
        provider="openai", model="gpt-4o-mini", status="error", error_class="RateLimit"
    )
    row = await rolled_up(admin, project, 4)
    assert (row["calls"], row["errors"]) == (4, 1)
    assert (row["input_tokens"], row["output_tokens"]) == (2007, 1000)
    assert Decimal(row["cost_total_cents"]) == 2 * Decimal(CALL_CENTS)
    assert row["unknown_cost_count"] == 2
    assert row["average_latency_ms"] == 300.0


async def test_the_same_interaction_counts_once_however_often_it_is_recorded(
    recorder: Recorder, admin: Door, project: str
) -> None:
    fields = {**CALL, "id": str(new_id())}
    for _ in range(3):
        assert (await recorder.record(**fields)).ok
    await recorder.record_many([fields] * 5)
    assert (await recorder.record(**CALL)).ok
    await recorded(admin, project, 2)
    await rolled_up(admin, project, 2)
    assert len(await interactions(admin, project)) == 2
    assert (await sums(admin, project))["calls"] == 2
