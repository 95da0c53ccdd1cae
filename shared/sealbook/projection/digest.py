"""Order-independent digests: two generations with the same rows have the same digest."""

from sqlalchemy import Connection, text

from sealbook.projection.generation import Generation
from sealbook.projection.projector import Projector

Digests = dict[str, str]
"""Table → `rows:sum of 64-bit row hashes`."""


def digests(connection: Connection, projector: Projector, generation: Generation) -> Digests:
    """The digest of every table of a generation, quarantine included."""
    generation.enter(connection)
    tables = [*sorted(projector.tables.tables), "quarantine"]
    return {table: _digest(connection, table) for table in tables}


def summary(parts: Digests) -> str:
    """All digests as one line."""
    return " ".join(f"{table}={digest}" for table, digest in parts.items())


def _digest(connection: Connection, table: str) -> str:
    # Table names come from the projector's own metadata, never from outside.
    query = (
        "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) "  # noqa: S608
        f"FROM {table} AS t"
    )
    rows, hashes = connection.execute(text(query)).one()
    return f"{rows}:{hashes}"
