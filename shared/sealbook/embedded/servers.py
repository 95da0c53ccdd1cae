"""The three servers of one data folder: prepared, started side by side, stopped in order."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TextIO

from sealbook.embedded import nats_server, postgres_server, s3_server
from sealbook.embedded.data_folder import DataFolder
from sealbook.embedded.endpoints import Endpoints
from sealbook.embedded.nats_server import NatsServer
from sealbook.embedded.ports import remembered_ports
from sealbook.embedded.postgres_server import PostgresServer
from sealbook.embedded.private_files import remembered_secret
from sealbook.embedded.s3_server import S3Server
from sealbook.embedded.supervisor import Supervisor
from sealbook.errors import Misconfigured

PORTS = (*nats_server.PORTS, *postgres_server.PORTS, *s3_server.PORTS)


class EmbeddedServers:
    """NATS, PostgreSQL and S3 for one machine; everything they keep is inside `data`.

    `supervisor` may run further processes: those are stopped first.
    """

    def __init__(
        self, data: Path, log: TextIO | None = None, *, nats_port: int | None = None
    ) -> None:
        self.data = data.absolute()
        self.supervisor = Supervisor(log, self.data / "servers.log")
        self._wanted = {"nats": nats_port} if nats_port else {}
        self._folder: DataFolder | None = None
        self._s3: S3Server | None = None
        self._endpoints: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        """Where the servers answer; known once they were started."""
        if self._endpoints is None:
            raise Misconfigured("The embedded servers are not running.", remedy="Start them first.")
        return self._endpoints

    async def start(self, *, authorization: str) -> Endpoints:
        """Return when all three serve; `authorization` is NATS configuration (who may do what).

        Raises `Misconfigured` if the folder is in use, `Unavailable` if a server does not come up;
        then none is left running.
        """
        if self._folder is not None:
            raise Misconfigured(f"The servers of {self.data} are already running.")
        self._folder = DataFolder(self.data)
        try:
            return await self._start(self._folder, authorization)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop what runs, last started first, and give the folder free."""
        await self.supervisor.stop()
        self._endpoints = None
        if self._s3 is not None:
            self._s3.remove_sockets()
        if self._folder is not None:
            self._folder.release()
            self._folder = None

    async def _start(self, folder: DataFolder, authorization: str) -> Endpoints:
        ports = await asyncio.to_thread(
            remembered_ports, folder.path / "ports.json", PORTS, self._wanted
        )
        nats = _nats(folder, ports)
        postgres = _postgres(folder, ports)
        s3 = self._s3 = _s3(folder, ports)
        nats.write_configuration(authorization)
        s3.write_configuration()
        await _together(
            self.supervisor.start(nats.process()),
            self._start_postgres(postgres),
            self.supervisor.start(s3.process()),
        )
        self._endpoints = Endpoints(nats.url, nats.monitor_url, postgres.endpoint, s3.endpoint)
        return self._endpoints

    async def _start_postgres(self, postgres: PostgresServer) -> None:
        await self.supervisor.start(await postgres.prepare(self.supervisor.log))
        await postgres.create_database()


async def _together(*starts: Coroutine[None, None, None]) -> None:
    """Run all; after the first failure cancel the others, wait for them, and raise it."""
    # Not a TaskGroup: up to Python 3.11.4 that leaves the calling task marked as cancelled.
    tasks = [asyncio.create_task(start) for start in starts]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        raise


def _nats(folder: DataFolder, ports: dict[str, int]) -> NatsServer:
    store_key = remembered_secret(folder.credentials / "nats-store-key")
    return NatsServer(folder.part("nats"), ports["nats"], ports["nats_monitor"], store_key)


def _postgres(folder: DataFolder, ports: dict[str, int]) -> PostgresServer:
    password = folder.credentials / "postgres-password"
    remembered_secret(password)
    return PostgresServer(folder.path / "postgres", ports["postgres"], password)


def _s3(folder: DataFolder, ports: dict[str, int]) -> S3Server:
    access_key = remembered_secret(folder.credentials / "s3-access-key", length=15)
    secret_key = remembered_secret(folder.credentials / "s3-secret-key")
    mine = {name: ports[name] for name in s3_server.PORTS}
    return S3Server(folder.part("s3"), mine, access_key, secret_key)
