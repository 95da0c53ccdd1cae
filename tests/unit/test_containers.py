"""The servers of SEALBOOK_TEST_CONTAINERS=1, as far as they go without a Docker engine."""

import io
import tarfile
from pathlib import Path
from typing import Any

import containers
import pytest
from containers import ContainerServers
from docker.errors import DockerException
from testcontainers.core import container as core
from testcontainers.core.config import testcontainers_config

from sealbook.errors import Misconfigured, Unavailable

AUTHORIZATION = "authorization { users: [] }\n"


class Started:
    """What Docker was asked to run."""

    def __init__(self, image: str, options: dict[str, Any]) -> None:
        self.image = image
        self.options = options
        self.files: dict[str, bytes] = {}
        self.removed = False

    def put_archive(self, path: str, data: bytes) -> bool:
        content = data if isinstance(data, bytes) else data.getvalue()
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            for member in tar.getmembers():
                if file := tar.extractfile(member):
                    self.files[path + member.name.lstrip("/")] = file.read()
        return True

    def remove(self, **_: Any) -> None:
        self.removed = True

    short_id = "none"


class Docker:
    """Stands for the engine's client."""

    started: list[Started]

    def __init__(self, **_: Any) -> None:
        self.client = self

    def create(self, image: str, **options: Any) -> Started:
        made = Started(image, options)
        self.started.append(made)
        return made

    def start(self, made: Started) -> None: ...
    def close(self) -> None: ...

    def get_connection_mode(self) -> core.ConnectionMode:
        return core.ConnectionMode.docker_host

    def host(self) -> str:
        return "127.0.0.1"


class AtOnce(core.WaitStrategy):
    def wait_until_ready(self, container: Any) -> None: ...


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> list[Started]:
    started: list[Started] = []
    monkeypatch.setattr(Docker, "started", started, raising=False)
    monkeypatch.setattr(core, "DockerClient", Docker)
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
    monkeypatch.setattr(containers, "ready", lambda name: AtOnce())
    monkeypatch.setattr(containers.PostgresContainer, "_connect", lambda self: None)
    return started


async def test_the_three_images_start_with_what_deployments_have(
    docker: list[Started], tmp_path: Path
) -> None:
    servers = ContainerServers(tmp_path)
    endpoints = await servers.start(authorization=AUTHORIZATION)
    nats, postgres, s3 = docker
    assert [made.image for made in docker] == [
        containers.NATS_IMAGE,
        containers.POSTGRES_IMAGE,
        containers.S3_IMAGE,
    ]
    configuration = nats.files["/etc/nats/nats.conf"].decode()
    assert "cipher: aes" in configuration
    assert "sync_interval: always" in configuration
    assert nats.files["/etc/nats/auth.conf"].decode() == AUTHORIZATION
    assert endpoints.nats_url == f"nats://127.0.0.1:{nats.options['ports']['4222']}"
    assert postgres.options["environment"]["POSTGRES_PASSWORD"] == endpoints.postgres.password
    assert endpoints.postgres.port == postgres.options["ports"]["5432"]
    assert s3.options["environment"]["MINIO_ROOT_PASSWORD"] == endpoints.s3.secret_key
    assert endpoints.s3.address == f"127.0.0.1:{s3.options['ports']['9000']}"
    assert servers.endpoints == endpoints
    await servers.stop()
    assert all(made.removed for made in docker)
    with pytest.raises(Misconfigured):
        _ = servers.endpoints


async def test_without_a_docker_engine_the_start_fails_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_engine(**_: Any) -> None:
        raise DockerException("Error while fetching server API version")

    monkeypatch.setattr(core, "DockerClient", no_engine)
    with pytest.raises(Unavailable, match="There is no Docker engine"):
        await ContainerServers(tmp_path).start(authorization=AUTHORIZATION)
