"""What must hold after hostile submissions: nothing is lost, nothing blocks what comes after it."""

from typing import Any

import psycopg
from nats.aio.client import Client
from seen import interactions, quarantined
from sending import CALL, send
from waiting import until

from sealbook.cli.connection import Door
from sealbook.contract.ids import new_id

Superuser = psycopg.AsyncConnection[Any]


async def assert_next_is_recorded(submitter: Client, admin: Door, project: str) -> None:
    """The service lives: a good message after the bad ones is there at once."""
    interaction_id = str(new_id())
    await send(submitter, project, {**CALL, "id": interaction_id})
    await until(
        lambda: interactions(admin, project),
        lambda rows: any(row["id"] == interaction_id for row in rows),
        "the good message after the bad ones",
    )


async def assert_nothing_lost(
    admin: Door, superuser: Superuser, project: str, sent: int
) -> tuple[int, int]:
    """(recorded, quarantined), which add up to what was sent."""

    async def outcome() -> tuple[int, int]:
        return (
            len(await interactions(admin, project)),
            len(await quarantined(superuser, project)),
        )

    found = await until(outcome, lambda both: sum(both) >= sent, f"{sent} messages somewhere")
    assert sum(found) == sent
    return found
