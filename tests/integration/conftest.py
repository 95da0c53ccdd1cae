"""A nats-server without a stack, the bus as an exporter sees it, and the bucket of exports."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from minio import Minio
from nats.aio.client import Client
from recording import Server, admin
from sending import connect

from sealbook.cli.stack import Stack
from sealbook.stream.topology import Topology, declare


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Server]:
    """A server that does not run yet."""
    server = Server(tmp_path)
    yield server
    server.kill()


@pytest.fixture
async def server(silent: Server) -> Server:
    """A running server with Sealbook's streams."""
    silent.start()
    async with admin(silent) as client:
        await declare(client, Topology())
    return silent


@pytest.fixture
async def jobs(stack: Stack) -> AsyncIterator[Client]:
    """A plain NATS client that publishes jobs as the exporter."""
    client = await connect(stack, "exporter")
    yield client
    await client.close()


@pytest.fixture
def bucket(stack: Stack) -> Minio:
    at = stack.servers.endpoints.s3
    return Minio(
        at.address,
        access_key=at.access_key,
        secret_key=at.secret_key,
        secure=False,
        region=at.region,
    )
