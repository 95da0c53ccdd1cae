"""Projectors on PostgreSQL without a log: fed by hand, and crashed at will."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, event, select

from sealbook.contract.envelope import LogEntry
from sealbook.projection.commit import commit_live
from sealbook.projection.digest import Digests, digests
from sealbook.projection.generation import Generation, quarantine
from sealbook.projection.projector import Projector
from sealbook.runtime.database import Database
from services.review.projector import ReviewProjector
from services.rollup.projector import RollupProjector

PROJECTORS = {"review": ReviewProjector, "rollup": RollupProjector}


class Crash(RuntimeError):
    """Stands for the end of the process at this instant."""


class Bench:
    """A projector under a name of its own, and its tables."""

    def __init__(self, database: Database, projector: Projector) -> None:
        self.database = database
        self.projector = projector
        self.live = Generation(projector.name, 1)

    async def feed(self, entries: Sequence[LogEntry]) -> int:
        """One batch, after whatever was read before."""
        previous = await self.position()
        return await self.commit(previous, entries)

    async def commit(self, previous: int, entries: Sequence[LogEntry]) -> int:
        return await self.database.run(commit_live, self.projector, self.live, previous, entries)

    async def position(self) -> int:
        return await self.database.run(self.live.position)

    async def digests(self) -> Digests:
        return await self.database.run(digests, self.projector, self.live)

    async def quarantined(self) -> list[tuple[int, str]]:
        def read(connection: Connection) -> list[tuple[int, str]]:
            self.live.enter(connection)
            query = select(quarantine.c.position, quarantine.c.reason)
            return [(row.position, row.reason) for row in connection.execute(query)]

        return await self.database.run(read)

    async def anew(self) -> None:
        """Empty again."""
        await self.database.run(self.live.create, self.projector)


@contextlib.contextmanager
def crash_at(step: int) -> Iterator[list[int]]:
    """Crash before the statement of this number; the list counts them."""
    seen = [0]

    def before(*_: Any) -> None:
        seen[0] += 1
        if seen[0] == step:
            raise Crash(f"at statement {step}")

    event.listen(Connection, "before_cursor_execute", before)
    try:
        yield seen
    finally:
        event.remove(Connection, "before_cursor_execute", before)
