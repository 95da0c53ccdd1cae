"""PostgreSQL for a service: short transactions on a small pool, off the event loop."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Concatenate, ParamSpec, TypeVar

from pydantic import SecretStr
from sqlalchemy import Connection, MetaData, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from sealbook.errors import Misconfigured, SealbookError, Unavailable

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[Concatenate[Connection, P], T]

CONNECTIONS = 8
IDLE_IN_TRANSACTION = "60s"
_NOT_YET = ("42P01", "42703")
"""No such table, no such column: until a newer version's rows are rebuilt, readers see the old."""


class Session:
    """One connection on a thread of its own: a lease or a swap never waits for a free thread."""

    def __init__(self, connection: Connection, thread: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._thread = thread

    async def run(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work(connection, …)` returns; transactions are its own business."""
        call = functools.partial(work, self._connection, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, _explained(call))


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
            pool_size=CONNECTIONS,
            max_overflow=2,
            pool_pre_ping=True,
            # Parameters are people's data: errors and logs must not show them.
            hide_parameters=True,
            connect_args={
                "connect_timeout": 5,
                "application_name": "sealbook",
                "options": "-c timezone=UTC -c tcp_keepalives_idle=10 "
                "-c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 "
                f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION}",
                # A machine that vanished is noticed within half a minute, from either side: a
                # lease that nobody holds must not keep others from working.
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 20_000,
            },
        )
        self._threads = ThreadPoolExecutor(CONNECTIONS, "sealbook-database")

    async def run(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Commit what `work(connection, …)` did, or nothing of it.

        Raises:
            Unavailable: the server is away, busy, or ended the connection; nothing was committed,
                unless it went away during the commit itself; or a table or column is still to come.
            Misconfigured: the server refuses for want of a right.
        """

        def transaction() -> T:
            with self._engine.begin() as connection:
                return work(connection, *args, **kwargs)

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _explained(transaction))

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection of one's own, for what outlives a transaction. Raises as `run` does."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "sealbook-session") as thread:
            connection = await loop.run_in_executor(thread, _explained(self._engine.connect))
            try:
                yield Session(connection, thread)
            finally:
                await loop.run_in_executor(thread, _end, connection)

    def close(self) -> None:
        """Close the pool."""
        self._engine.dispose()
        self._threads.shutdown(wait=False)


def create_tables(connection: Connection, tables: MetaData) -> None:
    """Make the tables that are not there; replicas that start together take turns."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('sealbook.create_tables'))"))
    tables.create_all(connection)


def is_about_data(error: DBAPIError) -> bool:
    """Whether the values of a row are to blame (classes 22 and 23), not the server or the code."""
    return _state(error)[:2] in ("22", "23")


def _explained(call: Callable[[], T]) -> Callable[[], T]:
    """`call` with the server's refusals as our errors; what the data is to blame for passes."""

    def explained() -> T:
        try:
            return call()
        except PoolTimeoutError:
            raise Unavailable("All connections to PostgreSQL are in use.") from None
        except DBAPIError as error:
            if is_about_data(error):
                raise
            raise _refusal(error) from None

    return explained


def _refusal(error: DBAPIError) -> SealbookError:
    state = _state(error)
    if state in _NOT_YET:
        return Unavailable(
            f"PostgreSQL has not yet the table or column that a statement names "
            f"({type(error.orig).__name__}, SQLSTATE {state}).",
            remedy="After an update it comes by itself, once the rows are rebuilt (`sealbook "
            "status`). If `sealbook setup` never ran, run it.",
        )
    # 42: a missing right, or a mistake. All else passes: no line (08, none), out of resources (53),
    # shutting down (57), a deadlock or a lock not had in time (40, 55), read-only (25).
    if state[:2] == "42":
        return Misconfigured(
            f"PostgreSQL refuses a statement ({type(error.orig).__name__}, SQLSTATE {state}).",
            remedy="Run `sealbook setup`; see that all services have the same version.",
        )
    return Unavailable(
        f"PostgreSQL does not answer ({type(error.orig).__name__}, SQLSTATE {state or 'none'}).",
        remedy="Check that it runs and that SEALBOOK_DATABASE_URL is right.",
    )


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _end(connection: Connection) -> None:
    # What belongs to a session, a lease for example, ends with it: never back into the pool. A lock
    # is free at once this way, not when the server comes to notice that the connection is closed.
    with suppress(SQLAlchemyError):
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock_all()"))
    connection.invalidate()
    connection.close()
