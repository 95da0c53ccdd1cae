"""Data keys straight in the keyring's table, and what a rotation made of them."""

from typing import Any
from uuid import UUID

import psycopg
from waiting import until

from sealbook.cli.connection import Door
from sealbook.cli.stack import Stack
from sealbook.contract.ids import new_id
from sealbook.sealing.key_file import KeyFile
from sealbook.sealing.scope import Scope

Superuser = psycopg.AsyncConnection[Any]
Row = dict[str, Any]

_COPY = "COPY keyring.data_key (id, project, purpose, name, kek_id, wrapped, created_at) FROM STDIN"


async def add_keys(
    superuser: Superuser, stack: Stack, project: str, count: int
) -> dict[UUID, bytes]:
    """Data keys of as many subjects, wrapped under the active key; their secrets by id."""
    provider = KeyFile(stack.secrets.key_file)
    secrets: dict[UUID, bytes] = {}
    async with superuser.cursor() as cursor, cursor.copy(_COPY) as copy:
        for number in range(count):
            key_id, scope = new_id(), Scope(project, "subject", f"u-{number}")
            secrets[key_id] = number.to_bytes(32, "big")
            kek_id, wrapped = await provider.wrap(secrets[key_id], scope.context(key_id))
            row = (key_id, scope.project, scope.purpose, scope.name, kek_id, wrapped)
            await copy.write_row((*row, "2026-01-01T00:00:00Z"))
    return secrets


async def lose(
    superuser: Superuser, project: str, name: str, *, kek_id: str = "local-lost"
) -> None:
    """Say that a key is wrapped under another key-encryption key than it is."""
    await superuser.execute(
        "UPDATE keyring.data_key SET kek_id = %s WHERE project = %s AND name = %s",
        [kek_id, project, name],
    )


async def forget_keys(superuser: Superuser, project: str) -> None:
    """Later rotations have nothing to do with this project's keys."""
    await superuser.execute("DELETE FROM keyring.data_key WHERE project = %s", [project])


async def unwrapped(superuser: Superuser, stack: Stack, project: str) -> dict[UUID, bytes]:
    """The secrets of a project's keys of subjects, as a process that starts now gets them."""
    provider = KeyFile(stack.secrets.key_file)
    found = await superuser.execute(
        "SELECT id, name, kek_id, wrapped FROM keyring.data_key "
        "WHERE project = %s AND purpose = 'subject'",
        [project],
    )
    return {
        key_id: await provider.unwrap(
            kek_id, wrapped, Scope(project, "subject", name).context(key_id)
        )
        for key_id, name, kek_id, wrapped in await found.fetchall()
    }


async def keks(superuser: Superuser, project: str) -> dict[str, int]:
    """How many of a project's keys are wrapped under what."""
    found = await superuser.execute(
        "SELECT kek_id, count(*) FROM keyring.data_key WHERE project = %s GROUP BY kek_id",
        [project],
    )
    return dict(await found.fetchall())


async def progress(superuser: Superuser, rotation_id: str) -> tuple[int, int, bool]:
    """(keys to rewrap at its start, rewrapped so far, whether it is at its end)."""
    found = await superuser.execute(
        "SELECT keys, rewrapped, completed_at IS NOT NULL FROM keyring.rotation WHERE id = %s",
        [rotation_id],
    )
    row = await found.fetchone()
    assert row is not None
    return row


async def rewrapping_begins(superuser: Superuser, rotation_id: str) -> None:
    """Returns as soon as some keys are rewrapped."""
    await until(lambda: progress(superuser, rotation_id), lambda seen: seen[1], "a rewrapped key")


async def listed(admin: Door, rotation_id: str) -> Row:
    rows = (await admin.ask("keys.list"))["rotations"]
    return next(row for row in rows if row["id"] == rotation_id)


async def ended(admin: Door, rotation_id: str, *, within: float = 40.0) -> Row:
    """The rotation once it is at its end."""
    return await until(
        lambda: listed(admin, rotation_id),
        lambda row: row["completed_at"],
        "the end of a rotation",
        within=within,
    )
