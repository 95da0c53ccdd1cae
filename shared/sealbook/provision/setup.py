"""One-shot, repeatable set-up of a deployment's servers: streams, roles, schemas, bucket."""

import asyncio
from collections.abc import Mapping

from sealbook.provision import database as roles
from sealbook.runtime import objects
from sealbook.runtime.database import Database
from sealbook.runtime.settings import Settings
from sealbook.stream import bus, topology
from sealbook.stream.topology import Topology


async def set_up(
    settings: Settings, database_passwords: Mapping[str, str], layout: Topology
) -> None:
    """Make what is missing on NATS, PostgreSQL and S3; `settings` are the provisioner's.

    Raises:
        Unavailable: one of the servers is away.
        Misconfigured: a server refused, or the log exists with another partition count.
    """
    client = await bus.connect(settings.bus, name="setup")
    try:
        await topology.declare(client, layout)
    finally:
        await client.close()
    database = Database(settings.database_url)
    try:
        await database.run(roles.prepare, database_passwords)
    finally:
        database.close()
    s3 = objects.client(settings)
    await asyncio.to_thread(objects.make_bucket, s3, settings.s3_bucket)
