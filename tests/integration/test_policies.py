"""Policies on the real bus: put once, followed by every ingest at once, named by every event."""

import asyncio
from typing import Any

import pytest
from nats.aio.client import Client
from seen import recorded, trail
from sending import CALL, send
from waiting import until

from sealbook.cli.connection import Door
from sealbook.cli.stack import Stack
from sealbook.contract.replies import CommandFailed

EMPLOYEE = {
    "rules": [
        {"name": "employee", "pattern": r"\bEMP-[0-9]{6}\b", "replacement": "[EMPLOYEE]"},
        {"name": "email", "mode": "pseudonym"},
    ]
}


async def in_force(admin: Door, name: str) -> dict[str, Any]:
    policies = (await admin.ask("policy.list"))["policies"]
    return next(one for one in policies if one["name"] == name)


@pytest.fixture
async def built_in(admin: Door) -> Any:
    """Whatever a test puts, the next one starts with the built-in policies."""
    yield None
    await admin.ask("policy.put", name="redaction", document={"rules": []})
    await admin.ask("policy.put", name="pricing", document={"prices": []})


def said(text: str) -> dict[str, Any]:
    return CALL | {"request": {"messages": [{"role": "user", "content": text}]}}


@pytest.mark.usefixtures("built_in")
async def test_what_is_put_masks_the_next_interaction_and_is_named_by_its_event(
    submitter: Client, admin: Door, project: str
) -> None:
    text = "EMP-123456 wrote to jane.doe@example.com and to JANE.DOE@example.com."
    await send(submitter, project, said(text))
    [before] = await recorded(admin, project, 1)
    put = await admin.ask("policy.put", name="redaction", document=EMPLOYEE)
    await send(submitter, project, said(text))
    after, _ = await recorded(admin, project, 2)
    opened = await admin.ask("interaction.open", id=after["id"])
    content = opened["interaction"]["request"]["messages"][0]["content"]
    first, _, second = (
        content.removeprefix("[EMPLOYEE] wrote to ").rstrip(".").partition(" and to ")
    )
    assert first == second
    assert first.startswith("[EMAIL:")
    assert after["redactions"] == {"employee": 1, "email": 2}
    assert after["policy_version"] == put["version"] != before["policy_version"]
    assert before["redactions"] == {"email": 2}


@pytest.mark.usefixtures("built_in")
async def test_a_pseudonym_is_another_one_in_another_project(
    submitter: Client, admin: Door, project: str
) -> None:
    await admin.ask("policy.put", name="redaction", document=EMPLOYEE)
    other = f"{project}-b"
    for name in (project, project, other):
        await send(submitter, name, said("jane.doe@example.com"))
    rows = [*await recorded(admin, project, 2), *await recorded(admin, other, 1)]
    masked = []
    for row in rows:
        opened = await admin.ask("interaction.open", id=row["id"])
        masked.append(opened["interaction"]["request"]["messages"][0]["content"])
    assert masked[0] == masked[1] != masked[2]


@pytest.mark.usefixtures("built_in")
async def test_own_prices_win_and_the_event_names_the_rule(
    submitter: Client, admin: Door, project: str
) -> None:
    prices = [{"model": "gpt-4o-mini*", "input": "1", "output": "2", "currency": "EUR"}]
    await admin.ask("policy.put", name="pricing", document={"prices": prices})
    await send(submitter, project, CALL)
    [row] = await recorded(admin, project, 1)
    assert (row["cost_total_cents"], row["currency"]) == ("0.200", "EUR")
    assert row["cost_source"] == "rule:gpt-4o-mini*"


async def test_a_bad_rule_is_named_and_nothing_changes(admin: Door) -> None:
    before = await in_force(admin, "redaction")
    bad = {"rules": [{"name": "greedy", "pattern": "(a", "replacement": "[A]"}]}
    with pytest.raises(CommandFailed, match="'greedy'") as refused:
        await admin.ask("policy.put", name="redaction", document=bad)
    assert refused.value.code == "invalid"
    assert await in_force(admin, "redaction") == before


@pytest.mark.usefixtures("built_in")
async def test_of_two_changes_at_the_same_time_one_is_told(admin: Door) -> None:
    before = await in_force(admin, "redaction")
    puts = [
        admin.ask(
            "policy.put",
            name="redaction",
            document={"rules": [{"name": "ssn_like", "pattern": f"x{n}+", "replacement": "[X]"}]},
            expected_version=before["version"],
        )
        for n in range(4)
    ]
    done = await asyncio.gather(*puts, return_exceptions=True)
    failed = [one for one in done if isinstance(one, CommandFailed)]
    [put] = [one for one in done if isinstance(one, dict)]
    assert [one.code for one in failed] == ["conflict"] * 3
    assert (await in_force(admin, "redaction"))["version"] == put["version"]


@pytest.mark.usefixtures("built_in")
async def test_a_second_ingest_follows_at_once_and_a_new_one_starts_with_it(
    stack: Stack, submitter: Client, admin: Door, project: str
) -> None:
    put = await admin.ask("policy.put", name="redaction", document=EMPLOYEE)
    await stack.supervisor.kill("ingest")
    await stack.supervisor.wait_ready("ingest")
    assert (await in_force(admin, "redaction"))["version"] == put["version"]
    await send(submitter, project, said("EMP-123456"))
    [row] = await recorded(admin, project, 1)
    assert row["redactions"] == {"employee": 1}


@pytest.mark.usefixtures("built_in")
async def test_a_change_is_on_the_audit_trail(admin: Door) -> None:
    put = await admin.ask("policy.put", name="redaction", document=EMPLOYEE)
    rows = await until(
        lambda: trail(admin),
        lambda rows: any(
            row["action"] == "policy.changed" and row["log_position"] == put["position"]
            for row in rows
        ),
        "the change on the trail",
    )
    row = next(row for row in rows if row["log_position"] == put["position"])
    assert (row["actor"], row["resource"]) == ("admin", "redaction")
    assert row["details"] == {"version": put["version"]}


async def test_only_administrators_see_and_change_policies(reader: Door, reviewer: Door) -> None:
    for door in (reader, reviewer):
        for verb, body in (
            ("policy.list", {}),
            ("policy.put", {"name": "redaction", "document": {"rules": []}}),
            ("policy.import", {"gitleaks": ""}),
            ("policy.test", {"text": "x"}),
        ):
            with pytest.raises(CommandFailed) as refused:
                await door.ask(verb, **body)
            assert refused.value.code == "refused"


async def test_a_text_is_tested_by_the_policy_in_force_or_by_another(admin: Door) -> None:
    text = "Mail ada@example.org, EMP-123456"
    reply = await admin.ask("policy.test", text=text)
    assert reply["masked"] == "Mail [EMAIL], EMP-123456"
    assert reply["findings"] == [{"rule": "email", "start": 5, "end": 20, "by": "[EMAIL]"}]
    other = await admin.ask("policy.test", text=text, document=EMPLOYEE)
    assert [one["rule"] for one in other["findings"]] == ["email", "employee"]
    assert other["masked"].endswith("[EMPLOYEE]")
