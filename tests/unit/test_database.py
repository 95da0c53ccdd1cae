"""PostgreSQL's refusals as our errors, a thread per session, and keys added in one order."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from sealbook.errors import Misconfigured, SealbookError, Unavailable
from sealbook.runtime import database as module
from sealbook.runtime.database import CONNECTIONS, Database, is_about_data
from sealbook.runtime.key_store import PostgresKeyStore
from sealbook.sealing.keyring import WrappedKey
from sealbook.sealing.scope import Scope

CANARY = "canary-7f3a"


class Refusal(Exception):
    """What psycopg raises."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__(CANARY)
        self.sqlstate = sqlstate


ENDING = ["roll back", "SELECT pg_advisory_unlock_all()", "invalidate", "close"]


class FakeConnection:
    def __init__(self) -> None:
        self.ends: list[tuple[str, int]] = []

    def rollback(self) -> None:
        self.ends.append(("roll back", threading.get_ident()))

    def execute(self, statement: Any) -> None:
        self.ends.append((str(statement), threading.get_ident()))

    def invalidate(self) -> None:
        self.ends.append(("invalidate", threading.get_ident()))

    def close(self) -> None:
        self.ends.append(("close", threading.get_ident()))


class Engine:
    """Hands out connections; `outcomes` tells how transactions ended."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.connections: list[FakeConnection] = []
        self.refuses: Exception | None = None

    def connect(self) -> FakeConnection:
        if self.refuses:
            raise self.refuses
        self.connections.append(FakeConnection())
        return self.connections[-1]

    @contextmanager
    def begin(self) -> Iterator[FakeConnection]:
        connection = self.connect()
        try:
            yield connection
        except BaseException:
            self.outcomes.append("rolled back")
            raise
        self.outcomes.append("committed")

    def dispose(self) -> None:
        pass


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    monkeypatch.setattr(module, "create_engine", lambda *_, **__: made)
    return made


@pytest.fixture
def database(engine: Engine) -> Iterator[Database]:
    made = Database(SecretStr("postgresql://user:password@host/name"))
    yield made
    made.close()


def refused(state: str | None) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, Refusal(state))


def raising(error: Exception) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        raise error

    return work


DATA = ["22003", "22021", "22P02", "23502", "23505", "23514"]
CODE = ["42501", "42601"]
SERVER = [
    *("08006", "08001", "53100", "53300", "57014", "57P01", "57P03", "40001", "40P01", "55P03"),
    *("25006", "25P03", "58030", "XX000", "0A000", None, ""),
    # A view of the version before: its rows are being rebuilt.
    *("42P01", "42703"),
]


async def test_what_was_done_is_committed_and_its_result_returned(
    database: Database, engine: Engine
) -> None:
    assert await database.run(lambda connection, one, *, two: (one, two), 1, two=2) == (1, 2)
    assert engine.outcomes == ["committed"]


@pytest.mark.parametrize("state", DATA)
async def test_what_the_data_is_to_blame_for_passes(
    database: Database, engine: Engine, state: str
) -> None:
    error = refused(state)
    assert is_about_data(error)
    with pytest.raises(DBAPIError) as caught:
        await database.run(raising(error))
    assert caught.value is error
    assert engine.outcomes == ["rolled back"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [*((state, Misconfigured) for state in CODE), *((state, Unavailable) for state in SERVER)],
)
async def test_what_the_server_refuses_has_its_meaning_and_quotes_nothing(
    database: Database, state: str | None, expected: type[SealbookError]
) -> None:
    assert not is_about_data(refused(state))
    with pytest.raises(SealbookError) as caught:
        await database.run(raising(refused(state)))
    assert type(caught.value) is expected
    assert caught.value.retryable == (expected is Unavailable)
    assert f"(Refusal, SQLSTATE {state or 'none'})" in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__
    assert caught.value.remedy


async def test_a_pool_without_a_free_connection_is_unavailable(
    database: Database, engine: Engine
) -> None:
    engine.refuses = PoolTimeoutError()
    with pytest.raises(Unavailable, match="in use"):
        await database.run(lambda connection: None)
    with pytest.raises(Unavailable, match="in use"):
        async with database.session():
            pytest.fail("There is no connection.")


async def test_what_is_no_refusal_of_the_server_passes(database: Database, engine: Engine) -> None:
    with pytest.raises(LookupError):
        await database.run(raising(LookupError()))
    assert engine.outcomes == ["rolled back"]


async def test_a_session_has_one_connection_and_a_thread_of_its_own(
    database: Database, engine: Engine
) -> None:
    def where(connection: Connection) -> tuple[int, Connection]:
        return threading.get_ident(), connection

    async with database.session() as one, database.session() as other:
        calls = [await one.run(where) for _ in range(3)]
        assert len(set(calls)) == 1
        assert calls[0][1] is cast("Connection", engine.connections[0])
        assert (await other.run(where))[0] != calls[0][0]
        assert await database.run(lambda _: threading.get_ident()) != calls[0][0]
        assert calls[0][0] != threading.get_ident()
    # A lease must end with its session, on the thread that used it: never back into the pool.
    thread = calls[0][0]
    assert engine.connections[0].ends == [(step, thread) for step in ENDING]
    assert engine.outcomes == ["committed"]


async def test_a_session_does_not_wait_for_a_free_thread(database: Database) -> None:
    enough = threading.Event()
    busy = [
        asyncio.create_task(database.run(lambda _: enough.wait(20))) for _ in range(CONNECTIONS + 1)
    ]
    try:
        async with asyncio.timeout(10), database.session() as session:
            assert await session.run(lambda _: 7) == 7
    finally:
        enough.set()
    assert await asyncio.gather(*busy) == [True] * len(busy)


@pytest.mark.parametrize(("state", "expected"), [("57P01", Unavailable), ("42501", Misconfigured)])
async def test_a_session_ends_whatever_goes_wrong(
    database: Database, engine: Engine, state: str, expected: type[SealbookError]
) -> None:
    with pytest.raises(expected):
        async with database.session() as session:
            await session.run(raising(refused(state)))
    assert [what for what, _ in engine.connections[0].ends] == ENDING


async def test_in_a_session_too_the_datas_errors_pass(database: Database) -> None:
    async with database.session() as session:
        with pytest.raises(DBAPIError):
            await session.run(raising(refused("23505")))
        assert await session.run(lambda _: 7) == 7


async def test_keys_are_added_in_one_order_whoever_adds_them() -> None:
    class Executed:
        statements: list[Any]

        def __init__(self) -> None:
            self.statements = []

        async def run(self, work: Callable[[Any], Any]) -> Any:
            return work(self)

        def execute(self, statement: Any) -> None:
            self.statements.append(statement.compile(dialect=postgresql.dialect()).params)

    scopes = [
        Scope("b", "day", "1"),
        Scope("a", "subject", "2"),
        Scope("a", "day", "9"),
        Scope("a", "subject", "1"),
        Scope("a", "index", ""),
    ]
    keys = [WrappedKey(UUID(int=n), one, "kek", b"w") for n, one in enumerate(scopes)]
    executed = Executed()
    store = PostgresKeyStore(cast("Database", executed))
    await store.add(keys)
    await store.add(keys[::-1])
    added = [
        [(of[f"project_m{n}"], of[f"purpose_m{n}"], of[f"name_m{n}"]) for n in range(len(keys))]
        for of in executed.statements
    ]
    wanted = sorted((one.project, one.purpose, one.name) for one in scopes)
    assert added == [wanted, wanted]
