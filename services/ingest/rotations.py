"""What PostgreSQL knows of rotations and of the data keys they rewrap."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Connection,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or

from sealbook.runtime.key_store import data_key, rotation, wrapped_key
from sealbook.sealing.keyring import WrappedKey

FIRST_ID = UUID(int=0)
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Rotation:
    """All data keys to be wrapped under `kek_id`. `keys` were to be rewrapped at its start,
    `rewrapped` are; `remaining` is known at its end."""

    id: UUID
    kek_id: str
    actor: str
    keys: int
    rewrapped: int
    remaining: int | None
    started_at: datetime
    completed_at: datetime | None

    def as_reply(self) -> dict[str, Any]:
        return asdict(self)


def begin(connection: Connection, new: Rotation) -> Rotation:
    """Put a rotation on the list; the one that is under way to the same key if there is one."""
    put = insert_or(rotation).values(asdict(new))
    # An update that changes nothing: only so is the row that was first returned, and locked.
    same_key = put.on_conflict_do_update(
        index_elements=[rotation.c.kek_id],
        index_where=rotation.c.completed_at.is_(None),
        set_={"keys": rotation.c["keys"]},
    )
    return Rotation(**connection.execute(same_key.returning(rotation)).mappings().one())


def under_way(connection: Connection) -> list[Rotation]:
    """What is not completed, oldest first; the last one is what operators want now."""
    query = select(rotation).where(rotation.c.completed_at.is_(None))
    rows = connection.execute(query.order_by(rotation.c.started_at, rotation.c.id)).mappings()
    return [Rotation(**row) for row in rows]


def latest(connection: Connection) -> list[Rotation]:
    """The last SHOWN ones, newest first."""
    query = select(rotation).order_by(rotation.c.started_at.desc(), rotation.c.id).limit(SHOWN)
    return [Rotation(**row) for row in connection.execute(query).mappings()]


def count_behind(connection: Connection, kek_id: str) -> int:
    """How many data keys are wrapped under another key-encryption key."""
    query = select(func.count()).select_from(data_key).where(data_key.c.kek_id != kek_id)
    return int(connection.execute(query).scalar_one())


def behind(connection: Connection, kek_id: str, after: UUID, limit: int) -> list[WrappedKey]:
    """Some of them, in order of their ids."""
    query = select(data_key).where(data_key.c.kek_id != kek_id, data_key.c.id > after)
    return [wrapped_key(row) for row in connection.execute(query.order_by("id").limit(limit))]


def replace(
    connection: Connection,
    of: Rotation,
    old: Sequence[WrappedKey],
    new: Sequence[WrappedKey],
) -> int:
    """Store wrappings anew and count them to the rotation; returns how many.

    A key that was destroyed or rewrapped meanwhile stays as it is.
    """
    wrapped_before = {key.id: key.wrapped for key in old}
    columns = {
        "id": [key.id for key in new],
        "kek_id": [key.kek_id for key in new],
        "wrapped": [key.wrapped for key in new],
        "before": [wrapped_before[key.id] for key in new],
    }
    count = connection.execute(_REPLACE, columns).rowcount
    connection.execute(
        update(rotation)
        .where(rotation.c.id == of.id)
        .values(rewrapped=rotation.c.rewrapped + count)
    )
    return count


def complete(connection: Connection, of: Rotation, remaining: int, at: datetime) -> None:
    """It is at its end."""
    connection.execute(
        update(rotation)
        .where(rotation.c.id == of.id, rotation.c.completed_at.is_(None))
        .values(remaining=remaining, completed_at=at)
    )


def find(connection: Connection, rotation_id: UUID) -> Rotation:
    """The rotation as it stands."""
    query = select(rotation).where(rotation.c.id == rotation_id)
    return Rotation(**connection.execute(query).mappings().one())


def counts(connection: Connection) -> list[dict[str, Any]]:
    """How many data keys there are, by what wraps them and what they are for."""
    columns = (data_key.c.kek_id, data_key.c.purpose, data_key.c.project)
    query = select(*columns, func.count().label("keys")).group_by(*columns).order_by(*columns)
    return [dict(row) for row in connection.execute(query).mappings()]


def take_lease(session: Connection) -> bool:
    """One process at a time rewraps: so counts add up, and the provider is asked once."""
    with session.begin():
        query = text("SELECT pg_try_advisory_lock(hashtext('sealbook.rotation'))")
        return bool(session.execute(query).scalar_one())


def _array(name: str, of: Any) -> Any:
    return bindparam(name, type_=ARRAY(of))


_REPLACE = text(
    """
    UPDATE keyring.data_key SET kek_id = new.kek_id, wrapped = new.wrapped
      FROM unnest(:id, :kek_id, :wrapped, :before) AS new (id, kek_id, wrapped, before)
     WHERE data_key.id = new.id AND data_key.wrapped = new.before
    """
).bindparams(
    _array("id", Uuid),
    _array("kek_id", Text),
    _array("wrapped", LargeBinary),
    _array("before", LargeBinary),
)
