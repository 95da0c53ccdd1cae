"""Wrapped data keys in PostgreSQL, schema `keyring`."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert as insert_or

from sealbook.runtime.database import Database
from sealbook.sealing.keyring import WrappedKey
from sealbook.sealing.scope import Scope

metadata = MetaData(schema="keyring")

data_key = Table(
    "data_key",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("project", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kek_id", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("project", "purpose", "name"),
)

rotation = Table(
    "rotation",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kek_id", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("keys", Integer, nullable=False),
    Column("rewrapped", Integer, nullable=False),
    Column("remaining", Integer),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("completed_at", DateTime(timezone=True)),
)
Index(
    "rotation_under_way",
    rotation.c.kek_id,
    unique=True,
    postgresql_where=rotation.c.completed_at.is_(None),
)


class PostgresKeyStore:
    """A `KeyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_scope(self, scopes: Collection[Scope]) -> list[WrappedKey]:
        wanted = [(scope.project, scope.purpose, scope.name) for scope in scopes]
        columns = tuple_(data_key.c.project, data_key.c.purpose, data_key.c.name)
        return await self._read(select(data_key).where(columns.in_(wanted)))

    async def by_id(self, ids: Collection[UUID]) -> list[WrappedKey]:
        return await self._read(select(data_key).where(data_key.c.id.in_(list(ids))))

    async def add(self, keys: Collection[WrappedKey]) -> None:
        now = datetime.now(UTC)
        rows = [
            {
                "id": key.id,
                "project": key.scope.project,
                "purpose": key.scope.purpose,
                "name": key.scope.name,
                "kek_id": key.kek_id,
                "wrapped": key.wrapped,
                "created_at": now,
            }
            # In one order: two processes that add the same keys must not wait for each other.
            for key in sorted(keys, key=_address)
        ]
        statement = insert_or(data_key).on_conflict_do_nothing().values(rows)
        await self._database.run(lambda connection: connection.execute(statement))

    async def _read(self, query: Select[tuple[object, ...]]) -> list[WrappedKey]:
        def work(connection: Connection) -> list[WrappedKey]:
            return [wrapped_key(row) for row in connection.execute(query)]

        return await self._database.run(work)


def _address(key: WrappedKey) -> tuple[str, str, str]:
    return key.scope.project, key.scope.purpose, key.scope.name


def wrapped_key(row: Row[Any]) -> WrappedKey:
    """A row of `data_key`."""
    scope = Scope(row.project, row.purpose, row.name)
    return WrappedKey(row.id, scope, row.kek_id, bytes(row.wrapped))
