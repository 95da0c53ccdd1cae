"""One stack of real servers and all services for the whole run; tests keep apart by project.

With SEALBOOK_TEST_CONTAINERS=1 the servers are containers (tests/containers.py). A server that is
missing fails the tests; nothing is skipped for it.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from nats.aio.client import Client
from sending import connect
from stacks import make_stack

from sealbook import Recorder
from sealbook.cli.connection import Door, door, find_connection
from sealbook.cli.stack import Stack

USES_STACK = {"stack", "chaos", "up"}
OpenDoor = Callable[[str], Awaitable[Door]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of single parts first, those that need everything running last."""
    items.sort(key=lambda item: bool(USES_STACK & set(getattr(item, "fixturenames", ()))))


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    made = make_stack(tmp_path_factory.mktemp("stack"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def project() -> str:
    return f"p-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def open_door(stack: Stack) -> AsyncIterator[OpenDoor]:
    async with AsyncExitStack() as opened:

        async def enter(actor: str) -> Door:
            return await opened.enter_async_context(door(find_connection(stack.data, actor)))

        yield enter


@pytest.fixture
async def admin(open_door: OpenDoor) -> Door:
    return await open_door("admin")


@pytest.fixture
async def reviewer(open_door: OpenDoor) -> Door:
    return await open_door("reviewer")


@pytest.fixture
async def exporter(open_door: OpenDoor) -> Door:
    return await open_door("exporter")


@pytest.fixture
async def reader(open_door: OpenDoor) -> Door:
    return await open_door("reader")


@pytest.fixture
async def submitter(stack: Stack) -> AsyncIterator[Client]:
    """A plain NATS client that may publish submissions."""
    client = await connect(stack, "recorder")
    yield client
    await client.close()


@pytest.fixture
async def recorder(stack: Stack, project: str) -> AsyncIterator[Recorder]:
    at = find_connection(stack.data, "admin").address("recorder")
    async with Recorder(at.url, project=project, user=at.user, password=at.password) as opened:
        yield opened


@pytest.fixture
async def superuser(stack: Stack) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """Sees and may change everything in PostgreSQL; every statement commits."""
    at = stack.servers.endpoints.postgres.url
    async with await psycopg.AsyncConnection.connect(at, autocommit=True) as connection:
        yield connection
