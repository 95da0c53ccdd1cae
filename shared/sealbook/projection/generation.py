"""One generation of a projection: its schema, its checkpoint, its quarantine.

Schema `<name>_v<n>` holds generation n; schema `<name>` holds the published views and the registry
row that says which generation is live.
"""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or

from sealbook.errors import Conflict, Misconfigured
from sealbook.projection.projector import Projector

registry_tables = MetaData()
registry = Table(
    "projection",
    registry_tables,
    Column("name", Text, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("projector_version", Integer, nullable=False),
)

own_tables = MetaData()
checkpoint = Table(
    "checkpoint",
    own_tables,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
)
quarantine = Table(
    "quarantine",
    own_tables,
    Column("position", BigInteger, primary_key=True),
    Column("event_type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
)


class Superseded(Conflict):
    """Another runner moved this checkpoint, or another generation became live."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Names generation `number` of a projection."""

    name: str
    number: int

    @property
    def schema(self) -> str:
        return f"{self.name}_v{self.number}"

    def enter(self, connection: Connection) -> None:
        """Point the transaction's search path here."""
        connection.execute(text(f"SET LOCAL search_path TO {self.schema}"))

    def create(self, connection: Connection, projector: Projector) -> None:
        """Make it anew and empty, at position 0."""
        self.drop(connection)
        connection.execute(text(f"CREATE SCHEMA {self.schema}"))
        self.enter(connection)
        own_tables.create_all(connection)
        projector.tables.create_all(connection)
        connection.execute(insert(checkpoint).values(name=self.name, position=0, events=0))

    def drop(self, connection: Connection) -> None:
        """Remove it with all its rows."""
        connection.execute(text(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE"))

    def position(self, connection: Connection) -> int:
        """How far it has read the log. Leaves the search path here."""
        self.enter(connection)
        return int(connection.execute(select(checkpoint.c.position)).scalar_one())

    def advance(self, connection: Connection, previous: int, position: int, events: int) -> None:
        """Compare-and-set: raises Superseded unless the checkpoint still stands at `previous`."""
        moved = connection.execute(
            update(checkpoint)
            .where(checkpoint.c.position == previous)
            .values(position=position, events=checkpoint.c.events + events)
        )
        if moved.rowcount != 1:
            raise Superseded(
                f"The checkpoint of {self.schema} is no longer at position {previous}: another "
                "runner is active.",
                remedy="Nothing to do: this runner reads the checkpoint anew.",
            )


def prepare(connection: Connection, projector: Projector) -> None:
    """Make the registry and, the first time, generation 1 with its views."""
    name = projector.name
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})
    _enter_published(connection, name)
    registry_tables.create_all(connection)
    if connection.execute(select(registry)).first() is None:
        first = Generation(name, 1)
        first.create(connection, projector)
        publish(connection, projector, first)


def live(connection: Connection, name: str, *, lock: str = "") -> Generation:
    """The generation readers see; `lock` is `FOR SHARE` while writing, `FOR UPDATE` to swap."""
    query = f"SELECT generation FROM {name}.projection WHERE name = :name {lock}"  # noqa: S608
    number = connection.execute(text(query), {"name": name}).scalar_one()
    return Generation(name, int(number))


def count_poison(connection: Connection, name: str) -> int:
    """How many events the live generation could not apply."""
    live(connection, name).enter(connection)
    return int(connection.execute(select(func.count()).select_from(quarantine)).scalar_one())


def live_projector_version(connection: Connection, name: str) -> int:
    """The projector's version that wrote the live generation."""
    query = f"SELECT projector_version FROM {name}.projection WHERE name = :name"  # noqa: S608
    return int(connection.execute(text(query), {"name": name}).scalar_one())


def newer(name: str, live: int, ours: int) -> Misconfigured:
    """The live rows come from a newer version of the projector than ours."""
    return Misconfigured(
        f"The projection {name} is at version {live}; this process knows version {ours}.",
        remedy="Upgrade this process, or stop it.",
    )


def publish(connection: Connection, projector: Projector, generation: Generation) -> None:
    """Let the views and the registry point to `generation`; readers notice nothing."""
    _enter_published(connection, projector.name)
    statement = insert_or(registry).values(
        name=projector.name, generation=generation.number, projector_version=projector.version
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[registry.c.name],
            set_={
                "generation": statement.excluded.generation,
                "projector_version": statement.excluded.projector_version,
            },
        )
    )
    position = "SELECT position, events FROM checkpoint"
    for view, query in {**projector.views, "position": position}.items():
        connection.execute(text(f"DROP VIEW IF EXISTS {projector.name}.{view}"))
        generation.enter(connection)
        connection.execute(text(f"CREATE VIEW {projector.name}.{view} AS {query}"))


def _enter_published(connection: Connection, name: str) -> None:
    connection.execute(text(f"SET LOCAL search_path TO {name}"))
