"""Everything on one machine: embedded servers, set up, and the services, in one data folder."""

import asyncio
import socket
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TextIO

from sealbook.cli.connection import write_connection
from sealbook.embedded import (
    EmbeddedServers,
    Endpoints,
    Process,
    Supervisor,
    plain_environment,
)
from sealbook.errors import Unavailable
from sealbook.provision.permissions import PROVISIONER
from sealbook.provision.secrets import DATABASE_USERS, Secrets, Surroundings
from sealbook.provision.setup import set_up
from sealbook.runtime.authorization import parse_policy
from sealbook.runtime.settings import Settings
from sealbook.stream.topology import Topology

SERVICES = ("ingest", "review", "rollup", "export")
NEEDS_KEYS = ("ingest", "review", "export")

FIRST_POLICY = """\
# Who may do what: actor -> role -> projects ("*" is all of them).
# Roles: reader, reviewer, exporter, administrator. Restart `sealbook up` after a change.
[actors.admin]
administrator = ["*"]

[actors.reviewer]
reviewer = ["*"]

[actors.exporter]
exporter = ["*"]

[actors.reader]
reader = ["*"]
"""


class Servers(Protocol):
    """Where NATS, PostgreSQL and S3 come from; `supervisor` runs the services beside them."""

    @property
    def supervisor(self) -> Supervisor: ...
    @property
    def endpoints(self) -> Endpoints: ...
    async def start(self, *, authorization: str) -> Endpoints: ...
    async def stop(self) -> None: ...


class Stack:
    """Servers and services of a data folder; a second start on the folder goes on where it was."""

    def __init__(
        self,
        data: Path,
        log: TextIO | None = None,
        *,
        nats_port: int | None = None,
        servers: Servers | None = None,
    ) -> None:
        self.data = data.absolute()
        self.servers: Servers = servers or EmbeddedServers(self.data, log, nats_port=nats_port)
        self.supervisor = self.servers.supervisor
        self.ports: dict[str, int] = {}

    @property
    def secrets(self) -> Secrets:
        return Secrets(self.data / "secrets")

    @property
    def policy_file(self) -> Path:
        return self.data / "policy.toml"

    async def start(self, services: Sequence[str] = SERVICES) -> Endpoints:
        """Return when everything serves. Raises Misconfigured or Unavailable."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        actors = self._actors()
        try:
            endpoints = await self.servers.start(authorization=self.secrets.authorization(actors))
            await self._set_up(endpoints, actors)
            await asyncio.gather(*(self.start_service(name) for name in services))
        except BaseException:
            await self.stop()
            raise
        write_connection(self.data, endpoints.nats_url)
        return endpoints

    async def stop(self) -> None:
        """Stop everything, services first."""
        await self.servers.stop()

    async def start_service(self, name: str) -> None:
        """One supervised process; returns when it is ready."""
        port = self.ports.setdefault(name, _free_port())
        environment = plain_environment(self.data) | self._environment(name, port)
        await self.supervisor.start(
            Process(
                name=name,
                argv=(sys.executable, "-m", f"services.{name}"),
                env=environment,
                ready=lambda: _ready(port),
                stop_timeout=15,
            )
        )

    def _environment(self, name: str, port: int) -> dict[str, str]:
        environment = {
            "SEALBOOK_SECRETS_DIR": str(self.secrets.folder / name),
            "SEALBOOK_POLICY_FILE": str(self.policy_file),
            "SEALBOOK_HTTP_PORT": str(port),
            "PYTHONUNBUFFERED": "1",
        }
        if name in NEEDS_KEYS:
            environment["SEALBOOK_KEY_FILE"] = str(self.secrets.key_file)
        return environment

    def _actors(self) -> list[str]:
        if not self.policy_file.exists():
            self.policy_file.write_text(FIRST_POLICY)
        return list(parse_policy(tomllib.loads(self.policy_file.read_text())).roles)

    async def _set_up(self, endpoints: Endpoints, actors: Sequence[str]) -> None:
        postgres, s3, secrets = endpoints.postgres, endpoints.s3, self.secrets
        secrets.keep("postgres", "password", postgres.password)
        secrets.keep("s3", "access_key", s3.access_key)
        secrets.keep("s3", "secret_key", s3.secret_key)
        at = Surroundings(
            nats_url=endpoints.nats_url,
            database=f"{postgres.host}:{postgres.port}/{postgres.database}",
            superuser=postgres.user,
            s3_endpoint=s3.address,
        )
        secrets.make(at, actors)
        passwords = {name: secrets.database_password(name) for name in DATABASE_USERS}
        settings = Settings.load(secrets.folder / PROVISIONER.name)
        await set_up(settings, passwords, Topology())


async def _ready(port: int) -> None:
    await asyncio.to_thread(_ask, f"http://127.0.0.1:{port}/readyz")


def _ask(url: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 our own loopback address
            return
    except urllib.error.HTTPError as error:
        raise Unavailable(error.read().decode(errors="replace")) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
