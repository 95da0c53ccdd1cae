"""Rotations: every data key gets a new wrapping, whatever happens meanwhile, and no event does."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from rotating import (
    add_keys,
    ended,
    forget_keys,
    keks,
    lose,
    progress,
    rewrapping_begins,
    unwrapped,
)
from seen import Row, interactions, quarantined, recorded, trail
from sending import CALL, connect
from waiting import until

from sealbook import Recorder
from sealbook.cli.connection import Door
from sealbook.cli.stack import Stack
from sealbook.contract.ids import new_id
from sealbook.contract.replies import CommandFailed
from sealbook.runtime.database import Database
from sealbook.runtime.key_store import PostgresKeyStore
from sealbook.runtime.process import Process, opened
from sealbook.runtime.settings import Settings
from sealbook.sealing import blind_index
from sealbook.sealing.key_file import KeyFile, read_keys, rotate_key_file
from sealbook.sealing.keyring import Keyring, WrappedKey
from sealbook.sealing.scope import Scope
from sealbook.stream.topology import last_position
from services.ingest import rotations
from services.ingest.rewrapping import Rewrapping
from services.ingest.rotations import FIRST_ID, Rotation

Superuser = psycopg.AsyncConnection[Any]
MANY = 20_000


@pytest.fixture
async def emptied(superuser: Superuser, project: str) -> AsyncIterator[str]:
    """A project whose keys are gone after the test."""
    yield project
    await forget_keys(superuser, project)


@pytest.fixture
async def process(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Process]:
    """A second process of ingest, here."""
    monkeypatch.setenv("SEALBOOK_KEY_FILE", str(stack.secrets.key_file))
    monkeypatch.setenv("SEALBOOK_POLICY_FILE", str(stack.policy_file))
    async with opened("ingest", Settings.load(stack.secrets.folder / "ingest")) as process:
        yield process


async def rotated(admin: Door, stack: Stack) -> Row:
    """A new key in the file, and a rotation to it that was asked for."""
    kek_id = rotate_key_file(stack.secrets.key_file)
    reply: Row = (await admin.ask("keys.rotate", kek_id=kek_id))["rotation"]
    assert (reply["kek_id"], reply["completed_at"]) == (kek_id, None)
    return reply


async def newest(stack: Stack) -> int:
    client = await connect(stack, "provisioner")
    try:
        return await last_position(client)
    finally:
        await client.close()


async def told(admin: Door, kek_id: str) -> list[Row]:
    """What the audit trail says of a rotation, oldest first."""
    rows = [row for row in await trail(admin) if row["resource"] == kek_id]
    return sorted(rows, key=lambda row: int(row["log_position"]))


async def both_told(admin: Door, kek_id: str) -> list[Row]:
    return await until(lambda: told(admin, kek_id), lambda rows: len(rows) > 1, "both events")


async def test_killed_in_the_middle_it_goes_on_and_touches_no_event(
    stack: Stack, admin: Door, superuser: Superuser, recorder: Recorder, emptied: str
) -> None:
    for number in range(5):
        assert (await recorder.record(**CALL, user=f"person-{number}")).ok
    rows = await recorded(admin, emptied, 5)
    secrets = await add_keys(superuser, stack, emptied, MANY)
    before = await newest(stack)

    rotation = await rotated(admin, stack)
    assert rotation["keys"] >= MANY
    await rewrapping_begins(superuser, rotation["id"])
    await stack.supervisor.kill("ingest")
    keys, rewrapped, at_its_end = await progress(superuser, rotation["id"])
    assert 0 < rewrapped < keys
    assert not at_its_end
    await stack.supervisor.wait_ready("ingest")
    row = await ended(admin, rotation["id"])

    assert (row["rewrapped"], row["remaining"]) == (row["keys"], 0)
    assert await keks(superuser, emptied) == {rotation["kek_id"]: MANY + 6}
    found = await unwrapped(superuser, stack, emptied)
    assert {key_id: found[key_id] for key_id in secrets} == secrets
    # Two events, and nothing else in the log: no payload was written anew.
    assert await newest(stack) == before + 2
    start, end = await both_told(admin, rotation["kek_id"])
    assert [start["log_position"], end["log_position"]] == [before + 1, before + 2]
    assert (start["action"], end["action"]) == ("rotation.started", "rotation.completed")
    assert start["actor"] == end["actor"] == "admin"
    assert start["details"] == {"keys": row["keys"]}
    assert end["details"] == {"rewrapped": row["keys"], "remaining": 0}
    for one in rows:
        payload = (await admin.ask("interaction.open", id=one["id"]))["interaction"]
        assert payload["response"] == CALL["response"]


async def test_connections_that_postgresql_ends_in_the_middle_lose_and_count_nothing(
    stack: Stack, admin: Door, superuser: Superuser, emptied: str
) -> None:
    secrets = await add_keys(superuser, stack, emptied, MANY)
    rotation = await rotated(admin, stack)
    await rewrapping_begins(superuser, rotation["id"])
    assert not (await progress(superuser, rotation["id"]))[2]
    ended_backends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
    for _ in range(3):
        await superuser.execute(ended_backends, ["ingest"])
        await asyncio.sleep(0.05)
    row = await ended(admin, rotation["id"])
    assert (row["rewrapped"], row["remaining"]) == (row["keys"], 0)
    assert await unwrapped(superuser, stack, emptied) == secrets
    assert len(await both_told(admin, rotation["kek_id"])) == 2


async def test_services_that_run_follow_the_file(
    stack: Stack, admin: Door, superuser: Superuser, recorder: Recorder, emptied: str
) -> None:
    assert (await recorder.record(**CALL, user="before")).ok
    await recorded(admin, emptied, 1)
    old = read_keys(stack.secrets.key_file).active
    new = rotate_key_file(stack.secrets.key_file)
    assert (await recorder.record(**CALL, user="after")).ok
    rows = await recorded(admin, emptied, 2)
    assert await keks(superuser, emptied) == {old: 2, new: 1}
    # review had the file open before there was such a key.
    for row in rows:
        assert (await admin.ask("interaction.open", id=row["id"]))["interaction"]["user"]
    assert (await admin.ask("keys.list"))["active"] == new


async def test_what_another_process_wraps_under_a_key_that_is_not_here_yet_waits_for_it(
    stack: Stack,
    admin: Door,
    superuser: Superuser,
    recorder: Recorder,
    emptied: str,
    process: Process,
    tmp_path: Path,
) -> None:
    """As on Kubernetes, where a Secret reaches one pod a minute before another."""
    theirs = tmp_path / "kek.json"
    shutil.copy2(stack.secrets.key_file, theirs)
    new = rotate_key_file(theirs)
    other = Keyring(PostgresKeyStore(process.database), KeyFile(theirs))
    await other.for_scopes([blind_index.index_scope(emptied)])
    assert await keks(superuser, emptied) == {new: 1}
    assert (await recorder.record(**CALL)).ok
    await asyncio.sleep(3)
    assert (await interactions(admin, emptied), await quarantined(superuser, emptied)) == ([], [])
    arriving = stack.secrets.key_file.with_name("arriving")
    shutil.copy2(theirs, arriving)
    arriving.replace(stack.secrets.key_file)
    await recorded(admin, emptied, 1)
    assert await quarantined(superuser, emptied) == []


async def test_keys_that_cannot_be_unwrapped_are_counted_and_left(
    stack: Stack, admin: Door, superuser: Superuser, emptied: str
) -> None:
    await add_keys(superuser, stack, emptied, 30)
    for number in range(3):
        await lose(superuser, emptied, f"u-{number}")
    # Another key's wrapping in the place of this one: it does not authenticate.
    await superuser.execute(
        "UPDATE keyring.data_key SET wrapped = (SELECT wrapped FROM keyring.data_key "
        "WHERE project = %(project)s AND name = 'u-5') "
        "WHERE project = %(project)s AND name = 'u-4'",
        {"project": emptied},
    )
    old = read_keys(stack.secrets.key_file).active
    rotation = await rotated(admin, stack)
    row = await ended(admin, rotation["id"])
    assert (row["keys"] - row["rewrapped"], row["remaining"]) == (4, 4)
    expected = {"local-lost": 3, old: 1, rotation["kek_id"]: 26}
    assert await keks(superuser, emptied) == expected
    mine = [one for one in (await admin.ask("keys.list"))["keys"] if one["project"] == emptied]
    assert {one["kek_id"]: one["keys"] for one in mine} == expected
    assert {one["purpose"] for one in mine} == {"subject"}
    assert (await both_told(admin, rotation["kek_id"]))[1]["details"]["remaining"] == 4


async def test_a_rotation_that_another_one_overtakes_is_ended(
    stack: Stack, admin: Door, superuser: Superuser, emptied: str
) -> None:
    await add_keys(superuser, stack, emptied, 10)
    waiting, at = new_id(), datetime.now(UTC)
    # To a key that this machine does not have: it may come yet, so the rotation waits.
    await superuser.execute(
        "INSERT INTO keyring.rotation (id, kek_id, actor, keys, rewrapped, started_at) "
        "VALUES (%s, 'local-to-come', 'admin', 10, 0, %s)",
        [waiting, at],
    )
    start = await until(lambda: told(admin, "local-to-come"), bool, "its start")
    assert [row["action"] for row in start] == ["rotation.started"]
    row = await ended(admin, (await rotated(admin, stack))["id"])
    assert row["remaining"] == 0
    overtaken = await ended(admin, str(waiting))
    assert overtaken["rewrapped"] == 0
    assert overtaken["remaining"] >= 10
    assert len(await both_told(admin, "local-to-come")) == 2


async def test_asked_for_again_it_is_the_same_rotation(
    stack: Stack, admin: Door, superuser: Superuser, emptied: str
) -> None:
    await add_keys(superuser, stack, emptied, 5_000)
    first = await rotated(admin, stack)
    again = (await admin.ask("keys.rotate", kek_id=first["kek_id"]))["rotation"]
    assert again["id"] == first["id"]
    await ended(admin, first["id"])
    assert len(await both_told(admin, first["kek_id"])) == 2
    # Once it is at its end there is a new one, with nothing left to do.
    later = (await admin.ask("keys.rotate"))["rotation"]
    assert (later["id"] != first["id"], later["keys"]) == (True, 0)
    assert (await ended(admin, later["id"]))["rewrapped"] == 0


async def test_several_processes_tell_it_once(
    stack: Stack, admin: Door, superuser: Superuser, emptied: str, process: Process
) -> None:
    secrets = await add_keys(superuser, stack, emptied, 5_000)
    others = [Rewrapping(process, await process.keyring()) for _ in range(3)]
    loops = [asyncio.create_task(other.run()) for other in others]
    try:
        rotation = await rotated(admin, stack)
        for other in others:
            other.wake()
        row = await ended(admin, rotation["id"])
    finally:
        for loop in loops:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop
    assert (row["rewrapped"], row["remaining"]) == (row["keys"], 0)
    assert await unwrapped(superuser, stack, emptied) == secrets
    rows = await both_told(admin, rotation["kek_id"])
    assert [one["action"] for one in rows] == ["rotation.started", "rotation.completed"]
    assert rows[1]["details"]["rewrapped"] == row["keys"]


async def test_an_end_that_was_told_but_not_noted_is_noted_by_the_next_process(
    stack: Stack, admin: Door, superuser: Superuser
) -> None:
    rotation = await rotated(admin, stack)
    await ended(admin, rotation["id"])
    await both_told(admin, rotation["kek_id"])
    # As a process leaves it that was killed between the two.
    await superuser.execute(
        "UPDATE keyring.rotation SET completed_at = NULL, remaining = NULL WHERE id = %s",
        [rotation["id"]],
    )
    await ended(admin, rotation["id"])
    assert len(await told(admin, rotation["kek_id"])) == 2


async def test_a_service_that_has_not_the_new_key_says_so(admin: Door) -> None:
    active = (await admin.ask("keys.list"))["active"]
    with pytest.raises(CommandFailed, match=f"here is '{active}', not 'local-nobodys'") as caught:
        await admin.ask("keys.rotate", kek_id="local-nobodys")
    assert caught.value.code == "conflict"
    assert (await admin.ask("keys.list"))["active"] == active


def wrapped(key_id: UUID, project: str, name: str, content: bytes) -> WrappedKey:
    return WrappedKey(key_id, Scope(project, "subject", name), "local-new", content)


async def test_a_key_that_was_destroyed_or_rewrapped_meanwhile_is_left_alone(
    stack: Stack, superuser: Superuser, emptied: str, process: Process
) -> None:
    await add_keys(superuser, stack, emptied, 3)
    database: Database = process.database
    old = [
        key
        for key in await database.run(rotations.behind, "", FIRST_ID, 10**6)
        if key.scope.project == emptied
    ]
    destroyed, changed, kept = old
    await superuser.execute("DELETE FROM keyring.data_key WHERE id = %s", [destroyed.id])
    await superuser.execute(
        "UPDATE keyring.data_key SET wrapped = 'other' WHERE id = %s", [changed.id]
    )
    of = Rotation(new_id(), "local-new", "admin", 3, 0, 0, datetime.now(UTC), datetime.now(UTC))
    await database.run(rotations.begin, of)
    anew = [wrapped(key.id, emptied, key.scope.name, b"anew") for key in old]
    assert await database.run(rotations.replace, of, old, anew) == 1
    found = await superuser.execute(
        "SELECT id, wrapped FROM keyring.data_key WHERE project = %s", [emptied]
    )
    assert dict(await found.fetchall()) == {changed.id: b"other", kept.id: b"anew"}
    assert (await database.run(rotations.find, of.id)).rewrapped == 1


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("ingest", "UPDATE keyring.data_key SET project = 'x'"),
        ("ingest", "UPDATE keyring.data_key SET name = 'x'"),
        ("ingest", "UPDATE keyring.data_key SET id = gen_random_uuid()"),
        ("ingest", "DELETE FROM keyring.data_key"),
        ("ingest", "DELETE FROM keyring.rotation"),
        ("ingest", "UPDATE keyring.rotation SET actor = 'x'"),
        ("review", "UPDATE keyring.data_key SET wrapped = ''"),
        ("export", "UPDATE keyring.data_key SET kek_id = 'x'"),
        ("review", "SELECT * FROM keyring.rotation"),
        ("rollup", "SELECT * FROM keyring.data_key"),
    ],
)
async def test_nobody_may_do_more_to_the_keyring_than_it_must(
    stack: Stack, role: str, statement: str
) -> None:
    url = Settings.load(stack.secrets.folder / role).database_url.get_secret_value()
    async with await psycopg.AsyncConnection.connect(url) as connection:
        with pytest.raises(InsufficientPrivilege):
            await connection.execute(statement)
