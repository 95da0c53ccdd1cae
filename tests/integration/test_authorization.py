"""Who may do what, end to end; and services that refuse to start without what keeps others out."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from seen import interactions, recorded, trail
from sending import CALL, connect
from stacks import ONE_PROJECT
from waiting import until

from sealbook import Recorder
from sealbook.cli.connection import Door
from sealbook.cli.stack import SERVICES, Stack
from sealbook.contract.ids import new_id
from sealbook.contract.replies import CommandFailed
from sealbook.embedded import plain_environment

EVERYONE = {"reader", "reviewer", "exporter", "admin"}
UNKNOWN = str(new_id())
COMMANDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "interaction.list": ({}, EVERYONE),
    "interaction.show": ({"id": UNKNOWN}, EVERYONE),
    "interaction.open": ({"id": UNKNOWN}, {"reviewer", "admin"}),
    "review": ({"ids": [UNKNOWN], "state": "approved"}, {"reviewer", "admin"}),
    "rollup.query": ({"by": ["project"]}, EVERYONE),
    "export.request": ({"format": "csv", "limit": 1}, {"exporter", "admin"}),
    "export.list": ({}, {"exporter", "admin"}),
    "keys.public": ({}, EVERYONE),
    "audit.list": ({}, {"admin"}),
    "keys.list": ({}, {"admin"}),
    "keys.rotate": ({}, {"admin"}),
    "quarantine.list": ({}, {"admin"}),
    "quarantine.retry": ({"ids": [2**40]}, {"admin"}),
    "projection.rebuild": ({"projection": "rollup"}, {"admin"}),
    "status": ({}, {"admin"}),
}
"""Verb → a body, and who may ask for it."""


async def answer(door: Door, verb: str, body: dict[str, Any]) -> str:
    try:
        await door.ask(verb, **body)
    except CommandFailed as error:
        return error.code
    return "ok"


@pytest.mark.parametrize("actor", sorted(EVERYONE))
@pytest.mark.parametrize("verb", sorted(COMMANDS))
async def test_each_role_may_do_what_it_is_for_and_nothing_else(
    recorder: Recorder, admin: Door, open_door: Any, project: str, verb: str, actor: str
) -> None:
    body, allowed = COMMANDS[verb]
    if UNKNOWN in str(body):
        receipt = await recorder.record(**CALL)
        await recorded(admin, project, 1)
        known = str(receipt.interaction_id)
        body = {
            k: [known] if v == [UNKNOWN] else known if v == UNKNOWN else v for k, v in body.items()
        }
    door = await open_door(actor)
    assert await answer(door, verb, body) == ("ok" if actor in allowed else "refused")


async def test_a_refusal_is_on_record(
    recorder: Recorder, admin: Door, reader: Door, project: str
) -> None:
    receipt = await recorder.record(**CALL)
    await recorded(admin, project, 1)
    interaction_id = str(receipt.interaction_id)
    assert await answer(reader, "interaction.open", {"id": interaction_id}) == "refused"
    review = {"ids": [interaction_id], "state": "approved"}
    assert await answer(reader, "review", review) == "refused"

    async def refusals() -> list[tuple[Any, ...]]:
        return [
            (line["action"], line["project"], line["details"]["action"])
            for line in await trail(admin, actor="reader")
            if line["resource"] == interaction_id
        ]

    found = await until(refusals, lambda lines: len(lines) == 2, "two refusals in the audit trail")
    assert sorted(found) == [
        ("access.refused", project, "interaction.open"),
        ("access.refused", project, "review"),
    ]
    [row] = await interactions(admin, project)
    assert row["review_version"] == 0


async def test_each_refusal_among_many_reviews_is_answered_and_on_record(
    recorder: Recorder, admin: Door, open_door: Any, project: str
) -> None:
    theirs = await recorder.record(**CALL, project=ONE_PROJECT)
    others = await recorder.record(**CALL)
    await recorded(admin, project, 1)
    await until(
        lambda: interactions(admin, ONE_PROJECT),
        lambda rows: any(row["id"] == str(theirs.interaction_id) for row in rows),
        "the interaction of their project",
    )
    local = await open_door("local")
    ids = [str(theirs.interaction_id), str(others.interaction_id)]
    reply = await local.ask("review", ids=ids, state="approved")
    assert [result["ok"] for result in reply["results"]] == [True, False]
    assert reply["results"][1]["error"]["code"] == "refused"
    await until(
        lambda: trail(admin, actor="local"),
        lambda lines: any(line["resource"] == ids[1] for line in lines),
        "the refusal in the audit trail",
    )


async def test_an_actor_of_one_project_sees_that_project_alone(
    recorder: Recorder, admin: Door, open_door: Any, project: str
) -> None:
    await recorder.record(**CALL, project=ONE_PROJECT)
    await recorder.record(**CALL)
    await recorded(admin, project, 1)
    await recorded(admin, ONE_PROJECT, 1)
    local = await open_door("local")
    listed = (await local.ask("interaction.list", limit=1000))["interactions"]
    assert {row["project"] for row in listed} == {ONE_PROJECT}
    rows = (await local.ask("rollup.query", by=["project"]))["rows"]
    assert {row["project"] for row in rows} <= {ONE_PROJECT}
    assert await answer(local, "interaction.list", {"filter": {"project": project}}) == "refused"


async def test_what_the_policy_does_not_allow_is_refused_before_it_tells_what_exists(
    recorder: Recorder, admin: Door, open_door: Any, project: str
) -> None:
    """A filter by another project's session reviews nothing there."""
    receipt = await recorder.record(**CALL, session_id="theirs")
    await recorded(admin, project, 1)
    local = await open_door("local")
    reply = await answer(local, "interaction.show", {"id": str(receipt.interaction_id)})
    assert reply == "refused"
    body = {"filter": {"project": project, "session_id": "theirs"}, "state": "approved"}
    try:
        reviewed = (await local.ask("review", **body))["reviewed"]
    except CommandFailed as error:
        assert error.code == "refused"
    else:
        assert reviewed == 0
    [row] = await interactions(admin, project)
    assert row["review_version"] == 0


async def says_nothing(client: Client, subject: str) -> bool:
    try:
        await client.request(subject, b"{}", timeout=0.4)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize(
    "subject",
    [
        "sealbook.command.admin.status",
        "sealbook.command.reviewer.review",
        "sealbook.job.export.exporter",
        "sealbook.submit.any",
        "sealbook.log.0.interaction.recorded.x",
        "$JS.API.STREAM.INFO.SEALBOOK_SUBMIT",
        "$JS.API.STREAM.DELETE.SEALBOOK_LOG",
        "$JS.API.STREAM.PURGE.SEALBOOK_LOG",
        "$JS.API.CONSUMER.MSG.NEXT.SEALBOOK_SUBMIT.ingest",
    ],
)
async def test_the_bus_refuses_an_actor_everything_but_its_own_name(
    stack: Stack, subject: str
) -> None:
    client = await connect(stack, "reader")
    try:
        assert await says_nothing(client, subject)
        assert "permissions violation" in str(client.last_error)
        reply = await client.request("sealbook.command.reader.interaction.list", b"", timeout=5)
        assert b'"ok":true' in reply.data
    finally:
        await client.close()


@pytest.mark.parametrize(
    "subject", ["sealbook.submit.>", "sealbook.command.>", "_INBOX_admin.>", "_INBOX.>", ">"]
)
async def test_the_bus_lets_no_actor_listen_to_others(stack: Stack, subject: str) -> None:
    client = await connect(stack, "reader")
    try:
        await client.subscribe(subject)
        await client.flush()
        await until(
            lambda: asyncio.sleep(0, str(client.last_error)),
            lambda error: "permissions violation" in error,
            "the refusal of the subscription",
        )
    finally:
        await client.close()


async def test_the_recorder_can_submit_and_nothing_else(stack: Stack) -> None:
    client = await connect(stack, "recorder")
    try:
        for subject in ("sealbook.command.recorder.status", "sealbook.job.export.recorder"):
            assert await says_nothing(client, subject)
    finally:
        await client.close()


def environment_of(stack: Stack, service: str) -> dict[str, str]:
    return plain_environment(stack.data) | stack._environment(service, 0)


async def refusal_to_start(service: str, environment: dict[str, str]) -> str:
    """What a service that does not start says; it is one line, and the exit code 1."""
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", f"services.{service}"],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"{service} cannot start: ")
    return line


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_without_a_policy_refuses_to_start(stack: Stack, service: str) -> None:
    environment = environment_of(stack, service)
    del environment["SEALBOOK_POLICY_FILE"]
    line = await refusal_to_start(service, environment)
    assert "No authorization policy is configured. Set SEALBOOK_POLICY_FILE" in line


@pytest.mark.parametrize(
    ("policy", "named"),
    [
        (None, "cannot be read"),
        ("actors = [", "cannot be read"),
        ("[people.ann]\nreader = ['*']", "one table, `actors`"),
        ("[actors.ann]\nowner = ['*']", "unknown role 'owner'"),
        ("[actors.ann]\nreader = '*'", "does not list projects"),
    ],
)
async def test_a_service_with_a_broken_policy_refuses_to_start(
    stack: Stack, tmp_path: Path, policy: str | None, named: str
) -> None:
    path = tmp_path / "policy.toml"
    if policy is not None:
        path.write_text(policy)
    environment = environment_of(stack, "ingest") | {"SEALBOOK_POLICY_FILE": str(path)}
    assert named in await refusal_to_start("ingest", environment)


@pytest.mark.parametrize("service", ["ingest", "review", "export"])
async def test_a_service_with_a_world_readable_key_file_refuses_to_start(
    stack: Stack, tmp_path: Path, service: str
) -> None:
    path = tmp_path / "kek.json"
    shutil.copyfile(stack.secrets.key_file, path)
    path.chmod(0o644)
    environment = environment_of(stack, service) | {"SEALBOOK_KEY_FILE": str(path)}
    line = await refusal_to_start(service, environment)
    assert f"The key file {path} is open to everyone (mode 0644)." in line


async def test_a_service_with_a_missing_key_file_refuses_to_start(
    stack: Stack, tmp_path: Path
) -> None:
    path = tmp_path / "no-such-file"
    environment = environment_of(stack, "ingest") | {"SEALBOOK_KEY_FILE": str(path)}
    line = await refusal_to_start("ingest", environment)
    assert f"The key file {path} cannot be read: No such file or directory." in line


async def test_a_service_with_no_key_file_at_all_refuses_to_start(stack: Stack) -> None:
    environment = environment_of(stack, "ingest")
    del environment["SEALBOOK_KEY_FILE"]
    assert "No key file is configured." in await refusal_to_start("ingest", environment)


async def test_a_service_with_a_wrong_password_refuses_to_start(
    stack: Stack, tmp_path: Path
) -> None:
    folder = tmp_path / "secrets"
    shutil.copytree(stack.secrets.folder / "ingest", folder)
    (folder / "sealbook_nats_password").write_text("wrong")
    environment = environment_of(stack, "ingest") | {"SEALBOOK_SECRETS_DIR": str(folder)}
    line = await refusal_to_start("ingest", environment)
    assert "does not accept the user 'ingest'" in line
    assert os.fspath(folder) not in line
