"""What a service's process holds, opened once and closed in order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from faststream.nats import NatsBroker
from faststream.security import SASLPlaintext
from nats.aio.client import Client

from sealbook.contract.events import AccessRefused
from sealbook.contract.ids import new_id
from sealbook.contract.subjects import partition_of
from sealbook.runtime.authorization import Policy, read_policy
from sealbook.runtime.database import Database
from sealbook.runtime.key_provider import key_provider
from sealbook.runtime.key_store import PostgresKeyStore
from sealbook.runtime.settings import Settings
from sealbook.runtime.telemetry import Metrics
from sealbook.sealing.keyring import Keyring
from sealbook.stream import bus, topology
from sealbook.stream.append import LogWriter, NewEvent


@dataclass(frozen=True, slots=True)
class Process:
    """Connections and rules of one running service. `client` carries the hot path and the log,
    `broker` FastStream's commands and jobs."""

    service: str
    settings: Settings
    client: Client
    broker: NatsBroker
    database: Database
    policy: Policy
    log: LogWriter
    partitions: int
    metrics: Metrics

    async def keyring(self) -> Keyring:
        """The data keys. Raises Misconfigured or Unavailable when who holds the key-encryption
        keys cannot be used: then a service must not start."""
        provider = await key_provider(self.settings)
        return Keyring(PostgresKeyStore(self.database), provider)

    def partition(self, key: str) -> int:
        """Where events about `key` belong."""
        return partition_of(key, self.partitions)

    async def audit_refusal(
        self, actor: str, action: str, *, project: str | None = None, resource: str | None = None
    ) -> None:
        """Put a refusal on the record."""
        now = datetime.now(UTC)
        event = AccessRefused(
            id=new_id(),
            actor=actor,
            action=action,
            project=project,
            resource=resource,
            refused_at=now,
        )
        await self.log.append(NewEvent(event, self.partition(actor), str(event.id), now))


@asynccontextmanager
async def opened(service: str, settings: Settings) -> AsyncIterator[Process]:
    """A process's holdings. Raises Misconfigured or Unavailable, before anything is served."""
    policy = read_policy(settings.policy_file)
    database = Database(settings.database_url)
    client = await bus.connect(settings.bus, name=service)
    try:
        yield Process(
            service=service,
            settings=settings,
            client=client,
            broker=_broker(service, settings),
            database=database,
            policy=policy,
            log=LogWriter(client, service),
            partitions=await topology.partition_count(client),
            metrics=Metrics(),
        )
    finally:
        await client.close()
        database.close()


def _broker(service: str, settings: Settings) -> NatsBroker:
    address = settings.bus
    security = None
    if address.user:
        security = SASLPlaintext(
            username=address.user, password=address.password or "", use_ssl=False
        )
    return NatsBroker(
        [address.url],
        name=f"{service}-commands",
        security=security,
        max_reconnect_attempts=-1,
        inbox_prefix=address.inbox_prefix,
        logger=None,
    )
