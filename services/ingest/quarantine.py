"""What could not be recorded: kept sealed, listed by reason, put back on the queue on request."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or

from sealbook.runtime.database import Database, create_tables
from sealbook.sealing import cipher
from sealbook.sealing.binding import Binding
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring
from sealbook.sealing.scope import Scope
from services.ingest.receive import Arrival, Rejected

# No project can have an empty name: this key belongs to the service.
SCOPE = Scope("", "service", "ingest.quarantine")

metadata = MetaData(schema="ingest")
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("sequence", BigInteger, nullable=False),
    Column("stored_at", DateTime(timezone=True), nullable=False),
    Column("interaction_id", Uuid, nullable=False),
    Column("project", Text),
    Column("reason", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("retried_at", DateTime(timezone=True)),
    UniqueConstraint("sequence", "stored_at"),
)


class Quarantine:
    """The table and its seal."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def prepare(self) -> None:
        """Make the table if it is not there."""
        await self._database.run(create_tables, metadata)

    async def hold(self, rejected: Sequence[Rejected]) -> None:
        """Keep messages, each once however often it is delivered."""
        if not rejected:
            return
        key = (await self._keyring.for_scopes([SCOPE]))[SCOPE]
        rows = [_row(one, key) for one in rejected]
        statement = insert_or(quarantine).values(rows).on_conflict_do_nothing()
        await self._database.run(lambda c: c.execute(statement))

    async def listing(self, ids: Sequence[int], limit: int) -> list[dict[str, Any]]:
        """What is held, oldest first, without its content."""
        query = (
            select(quarantine)
            .where(quarantine.c.retried_at.is_(None))
            .order_by(quarantine.c.id)
            .limit(limit)
        )
        if ids:
            query = query.where(quarantine.c.id.in_(ids))
        return await self._database.run(lambda c: [_entry(row) for row in c.execute(query)])

    async def counts(self) -> dict[str, int]:
        """How many are held, by reason."""
        query = (
            select(quarantine.c.reason, func.count())
            .where(quarantine.c.retried_at.is_(None))
            .group_by(quarantine.c.reason)
        )
        rows = await self._database.run(lambda c: c.execute(query).all())
        return {reason: count for reason, count in rows}  # noqa: C416 rows are not tuples to mypy

    async def opened(self, ids: Sequence[int], limit: int) -> dict[int, Arrival]:
        """Entries as they arrived, by their id."""
        wanted = [entry["id"] for entry in await self.listing(ids, limit)]
        key = (await self._keyring.for_scopes([SCOPE]))[SCOPE]
        query = select(quarantine).where(quarantine.c.id.in_(wanted)).order_by(quarantine.c.id)
        rows = await self._database.run(lambda c: list(c.execute(query)))
        return {row.id: _arrival(row, key) for row in rows}

    async def mark_retried(self, ids: Sequence[int], at: datetime) -> None:
        """They are recorded now."""

        def work(connection: Connection) -> None:
            connection.execute(
                update(quarantine).where(quarantine.c.id.in_(ids)).values(retried_at=at)
            )

        await self._database.run(work)


def _binding(sequence: int, stored_at: datetime) -> bytes:
    return Binding("", str(sequence), "ingest.quarantine", 1, stored_at).encode()


def _row(rejected: Rejected, key: DataKey) -> dict[str, Any]:
    arrival = rejected.arrival
    head = to_json({"subject": arrival.subject, "detail": rejected.detail})
    plaintext = len(head).to_bytes(4, "big") + head + arrival.body
    return {
        "sequence": arrival.sequence,
        "stored_at": arrival.stored_at,
        "interaction_id": arrival.id,
        "project": rejected.project,
        "reason": rejected.code,
        "size_bytes": len(arrival.body),
        "sealed": cipher.seal(key, plaintext, _binding(arrival.sequence, arrival.stored_at)),
    }


def _arrival(row: Row[Any], key: DataKey) -> Arrival:
    plaintext = cipher.unseal(key, row.sealed, _binding(row.sequence, row.stored_at))
    end = 4 + int.from_bytes(plaintext[:4], "big")
    head = from_json(plaintext[4:end])
    return Arrival(
        head["subject"], plaintext[end:], row.sequence, row.stored_at, row.interaction_id
    )


def _entry(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "interaction_id": str(row.interaction_id),
        "project": row.project,
        "reason": row.reason,
        "size_bytes": row.size_bytes,
        "stored_at": row.stored_at.isoformat(),
    }
