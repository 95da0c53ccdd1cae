"""What is in quarantine, on the real bus: sealed, and retried until its cause is gone."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hostile import Superuser
from nats.aio.client import Client
from seen import held, interactions, quarantined, recorded
from sending import CALL, send

from sealbook.cli.connection import Door
from sealbook.cli.stack import Stack
from sealbook.contract.ids import new_id
from sealbook.runtime.database import Database
from sealbook.runtime.key_store import PostgresKeyStore
from sealbook.runtime.settings import Settings
from sealbook.sealing.key_file import KeyFile
from sealbook.sealing.keyring import Keyring
from services.ingest.quarantine import Quarantine
from services.ingest.receive import Arrival, Rejected

CANARY = "canary-in-quarantine-8c1f"


async def test_quarantined_content_is_sealed(
    submitter: Client, superuser: Superuser, project: str
) -> None:
    await send(submitter, project, f'{{"provider": "{CANARY}", '.encode())
    await send(submitter, project, {"provider": "p", "model": "m", CANARY: CANARY})
    await send(submitter, project, {"provider": CANARY})
    rows = await held(superuser, project, 3)
    assert {row["reason"] for row in rows} == {
        "malformed_json",
        "invalid_submission",
        "incomplete",
    }
    tables = await superuser.execute(
        "SELECT t::text, encode(sealed, 'escape') FROM ingest.quarantine AS t"
    )
    everything = str(await tables.fetchall())
    assert CANARY not in everything
    assert CANARY.encode().hex() not in everything


@pytest.mark.parametrize("with_message_id", [False, True])
async def test_a_retry_while_the_cause_is_there_leaves_the_entry_where_it_is(
    submitter: Client, admin: Door, superuser: Superuser, project: str, with_message_id: bool
) -> None:
    await send(submitter, project, {"provider": "p"}, new_id() if with_message_id else None)
    [before] = await held(superuser, project, 1)
    for _ in range(2):
        reply = await admin.ask("quarantine.retry", ids=[before["id"]])
        assert (reply["retried"], reply["recorded"]) == (1, 0)
        assert await quarantined(superuser, project) == [before]
        assert before["retried_at"] is None
    assert await interactions(admin, project) == []


async def test_a_retry_records_once_the_cause_is_gone(
    stack: Stack, admin: Door, superuser: Superuser, project: str
) -> None:
    """The cause: an older ingest, which could not read what this one can."""
    interaction_id = new_id()
    await hold(stack, project, json.dumps(CALL).encode(), interaction_id)
    [row] = await quarantined(superuser, project)
    reply = await admin.ask("quarantine.retry", ids=[row["id"]])
    assert (reply["retried"], reply["recorded"]) == (1, 1)
    [shown] = await recorded(admin, project, 1)
    assert shown["id"] == str(interaction_id)
    assert (await admin.ask("quarantine.list", ids=[row["id"]]))["entries"] == []
    assert (await admin.ask("quarantine.retry", ids=[row["id"]]))["retried"] == 0


async def hold(stack: Stack, project: str, body: bytes, interaction_id: UUID) -> None:
    """Put a body into quarantine as ingest does."""
    settings = Settings.load(stack.secrets.folder / "ingest")
    database = Database(settings.database_url)
    keyring = Keyring(PostgresKeyStore(database), KeyFile(stack.secrets.key_file))
    sequence, subject = interaction_id.int % 2**60, f"sealbook.submit.{project}"
    arrival = Arrival(subject, body, sequence, datetime.now(UTC), interaction_id)
    try:
        rejected = Rejected(arrival, project, "invalid_submission", "An older ingest said so.")
        await Quarantine(database, keyring).hold([rejected])
    finally:
        database.close()
