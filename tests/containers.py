"""The three servers as containers, for SEALBOOK_TEST_CONTAINERS=1: the same tests on the images of
deployments. Needs a Docker engine; without one every test that needs a server fails.

`ContainerServers` stands in for `EmbeddedServers` in a `Stack`; the services are processes as ever.
Ports on this machine are fixed beforehand, so that a killed server comes back where it was.
"""

import asyncio
import secrets
from datetime import timedelta
from pathlib import Path

from docker.errors import DockerException
from testcontainers.community.minio import MinioContainer
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy, HttpWaitStrategy, WaitStrategy

from sealbook.embedded import Endpoints, PostgresEndpoint, S3Endpoint, Supervisor
from sealbook.embedded.ports import remembered_ports
from sealbook.errors import Misconfigured, Unavailable

NATS_IMAGE = "nats:2.15-alpine"
POSTGRES_IMAGE = "postgres:18"
S3_IMAGE = "minio/minio:RELEASE.2025-09-07T16-13-09Z"
NATS_PORT, MONITOR_PORT, POSTGRES_PORT, S3_PORT = 4222, 8222, 5432, 9000
PORTS = ("nats", "nats_monitor", "postgres", "s3")
USER = DATABASE = "sealbook"
START = timedelta(seconds=120)

NATS_CONFIGURATION = """\
server_name: sealbook
listen: "0.0.0.0:4222"
http: "0.0.0.0:8222"
max_payload: 8MB
jetstream {{
  store_dir: "/data"
  max_memory_store: 256MB
  max_file_store: 16GB
  sync_interval: always
  cipher: aes
  key: "{store_key}"
}}
include "auth.conf"
"""


class ContainerServers:
    """NATS, PostgreSQL and MinIO in containers that are removed at the end, data included."""

    def __init__(self, data: Path) -> None:
        self.data = data.absolute()
        self.supervisor = Supervisor(None, self.data / "servers.log")
        self._containers: dict[str, DockerContainer] = {}
        self._endpoints: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        if self._endpoints is None:
            raise Misconfigured("The containers are not running.", remedy="Start them first.")
        return self._endpoints

    async def start(self, *, authorization: str) -> Endpoints:
        """As `EmbeddedServers.start`. Raises Unavailable when there is no Docker engine."""
        try:
            return await asyncio.to_thread(self._start, authorization)
        except DockerException as error:
            raise Unavailable(
                f"There is no Docker engine ({type(error).__name__}).",
                remedy="Start one, or unset SEALBOOK_TEST_CONTAINERS.",
            ) from error

    async def stop(self) -> None:
        await self.supervisor.stop()
        self._endpoints = None
        while self._containers:
            _, container = self._containers.popitem()
            await asyncio.to_thread(container.stop)

    async def kill(self, name: str) -> None:
        """SIGKILL to a server, and start it again; returns when it serves."""
        await asyncio.to_thread(self.halt, name)
        await asyncio.to_thread(self.resume, name)

    async def copy_data(self, target: Path) -> None:
        """Each server's data as a tar (which stores files as they are) below `target`."""
        folders = {"nats": "/data", "postgres": "/var/lib/postgresql", "s3": "/data"}
        for name, folder in folders.items():
            await asyncio.to_thread(self._copy, name, folder, target / f"{name}.tar")

    def _start(self, authorization: str) -> Endpoints:
        ports = remembered_ports(self.data / "container-ports.json", PORTS)
        password, access_key, secret_key = (secrets.token_urlsafe(24) for _ in range(3))
        made = {
            "nats": nats(ports, authorization, secrets.token_urlsafe(32)),
            "postgres": postgres(ports, password),
            "s3": s3(ports, access_key, secret_key),
        }
        for name, container in made.items():
            self._containers[name] = container
            container.start()
        hosts = {name: container.get_container_host_ip() for name, container in made.items()}
        self._endpoints = Endpoints(
            nats_url=f"nats://{hosts['nats']}:{ports['nats']}",
            nats_monitor_url=f"http://{hosts['nats']}:{ports['nats_monitor']}",
            postgres=PostgresEndpoint(
                hosts["postgres"], ports["postgres"], USER, password, DATABASE
            ),
            s3=S3Endpoint(f"{hosts['s3']}:{ports['s3']}", access_key, secret_key),
        )
        return self._endpoints

    def halt(self, name: str) -> None:
        """SIGKILL to a server."""
        wrapped = self._containers[name].get_wrapped_container()
        wrapped.kill()
        wrapped.wait()

    def resume(self, name: str) -> None:
        """Start a killed server again; returns when it serves."""
        container = self._containers[name]
        container.get_wrapped_container().start()
        ready(name).wait_until_ready(container)

    def _copy(self, name: str, folder: str, target: Path) -> None:
        chunks, _ = self._containers[name].get_wrapped_container().get_archive(folder)
        with target.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)


def nats(ports: dict[str, int], authorization: str, store_key: str) -> DockerContainer:
    configuration = NATS_CONFIGURATION.format(store_key=store_key)
    return (
        DockerContainer(NATS_IMAGE)
        .with_bind_ports(NATS_PORT, ports["nats"])
        .with_bind_ports(MONITOR_PORT, ports["nats_monitor"])
        .with_copy_into_container(configuration.encode(), "/etc/nats/nats.conf")
        .with_copy_into_container(authorization.encode(), "/etc/nats/auth.conf")
        .with_command(["--config", "/etc/nats/nats.conf"])
        .waiting_for(ready("nats"))
    )


def postgres(ports: dict[str, int], password: str) -> PostgresContainer:
    made = PostgresContainer(POSTGRES_IMAGE, username=USER, password=password, dbname=DATABASE)
    made.ports.clear()
    return (
        made.with_bind_ports(POSTGRES_PORT, ports["postgres"])
        .with_env("POSTGRES_INITDB_ARGS", "--locale-provider=builtin --locale=C.UTF-8")
        .with_command(["postgres", "-c", "log_min_error_statement=panic"])
        .waiting_for(ready("postgres"))
    )


def s3(ports: dict[str, int], access_key: str, secret_key: str) -> MinioContainer:
    made = MinioContainer(S3_IMAGE, access_key=access_key, secret_key=secret_key)
    made.ports.clear()
    return (
        made.with_bind_ports(S3_PORT, ports["s3"])
        .with_env("MINIO_ROOT_USER", access_key)
        .with_env("MINIO_ROOT_PASSWORD", secret_key)
        .waiting_for(ready("s3"))
    )


def ready(name: str) -> WaitStrategy:
    """What tells that a server serves."""
    made: dict[str, WaitStrategy] = {
        "nats": HttpWaitStrategy(MONITOR_PORT, "/healthz?js-enabled-only=true"),
        # By TCP: the server that only makes the database listens on a socket.
        "postgres": ExecWaitStrategy(["pg_isready", "--host=127.0.0.1", f"--username={USER}"]),
        # Any S3 refuses the unsigned question for its buckets once it serves.
        "s3": HttpWaitStrategy(S3_PORT, "/").for_status_code(403),
    }
    return made[name].with_startup_timeout(START)
