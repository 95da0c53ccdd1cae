"""PostgreSQL for a service: short transactions on a small pool, off the event loop."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Concatenate, ParamSpec, TypeVar

from pydantic import SecretStr
from sqlalchemy import Connection, MetaData, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from sealbook.errors import Misconfigured, Unavailable

logger = logging.getLogger("sealbook.database")

P = ParamSpec("P")
T = TypeVar("T")
POOL_SIZE = 4


class Database:
    """`run(work)` gives `work` a connection inside one transaction and returns what it returns."""

    def __init__(self, url: SecretStr) -> None:
        """`url` reads `postgresql://user:password@host:port/name`. Raises Misconfigured."""
        try:
            parsed = make_url(url.get_secret_value()).set(drivername="postgresql+psycopg")
        except ArgumentError:
            raise Misconfigured(
                "SEALBOOK_DATABASE_URL is missing or not a URL.",
                remedy="It reads postgresql://user:password@host:5432/sealbook.",
            ) from None
        self._engine = create_engine(
            parsed,
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
            pool_pre_ping=True,
            # Parameters are people's data: errors and logs must not show them.
            hide_parameters=True,
            connect_args={
                "connect_timeout": 5,
                "application_name": "sealbook",
                "options": "-c timezone=UTC",
            },
        )

    async def run(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Commit what `work(connection, …)` did, or nothing of it.

        Raises:
            Unavailable: the server is away or ended the connection; nothing was committed, unless
                it went away during the commit itself.
        """
        return await asyncio.to_thread(lambda: self.run_blocking(work, *args, **kwargs))

    def run_blocking(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`run`, for a caller that is on a thread already."""
        try:
            with self._engine.begin() as connection:
                return work(connection, *args, **kwargs)
        except DBAPIError as error:
            if not _connection_lost(error):
                raise
            raise _unavailable(error) from None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """A connection of one's own, for what outlives a transaction (a lease, a swap).

        Raises:
            Unavailable: the server is away, or went away while the connection was in use.
        """
        try:
            connection = await asyncio.to_thread(self._engine.connect)
            try:
                yield connection
            finally:
                # A lease must end with its session: never back into the pool.
                connection.invalidate()
                connection.close()
        except DBAPIError as error:
            if not _connection_lost(error):
                raise
            raise _unavailable(error) from None

    def close(self) -> None:
        """Close the pool."""
        self._engine.dispose()


def create_tables(connection: Connection, tables: MetaData) -> None:
    """Make the tables that are not there; replicas that start together take turns."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('sealbook.create_tables'))"))
    tables.create_all(connection)


def _connection_lost(error: DBAPIError) -> bool:
    # Class 57P: the server shuts down or ended us; 53: out of resources; 08 and no state: no line.
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or state[:2] in ("08", "53", "57")


def _unavailable(error: DBAPIError) -> Unavailable:
    return Unavailable(
        f"PostgreSQL does not answer ({type(error.orig).__name__}).",
        remedy="Check that it runs and that SEALBOOK_DATABASE_URL is right.",
    )
