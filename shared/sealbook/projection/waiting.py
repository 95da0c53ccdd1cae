"""Waiting until review's published views show a position, so that readers see their own writes."""

import asyncio

from sqlalchemy import Connection, select

from sealbook.errors import Unavailable
from sealbook.projection.published import review_position
from sealbook.runtime.database import Database

STEPS_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


async def shows(database: Database, position: int) -> bool:
    """Whether the views stand at `position` or beyond it, now or within some three seconds."""
    for wait_s in STEPS_SECONDS:
        try:
            if await database.run(_reached) >= position:
                return True
        except Unavailable:
            return False  # what was appended stands all the same
        await asyncio.sleep(wait_s)
    return False


def _reached(connection: Connection) -> int:
    return int(connection.execute(select(review_position.c.position)).scalar_one())
