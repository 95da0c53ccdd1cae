"""The three embedded servers, for real, while they run: who gets in, and what they promise."""

import asyncio
import contextlib
import http.client
import io
import json
import os
import socket
import ssl
import stat
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from embedding import AUTHORIZATION, NAMES, connect_nats, descendants, s3_client

from sealbook.embedded import EmbeddedServers
from sealbook.errors import Misconfigured


def listening_addresses(pids: set[int]) -> set[tuple[str, int]]:
    """(address as in /proc/net/tcp, port) of every listening socket of these processes."""
    sockets = {str(link.readlink()) for pid in pids for link in _entries(Path(f"/proc/{pid}/fd"))}
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = row.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in sockets:
                address, port = local.split(":")
                found.add((address, int(port, 16)))
    return found


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return


def shown_to_others(pid: int) -> bytes:
    entry = Path(f"/proc/{pid}")
    return (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()


def _tls_read(port: int, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain) as to,
    ):
        # In TLS 1.3 the refusal comes with the first read.
        return to.recv(1)


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServers]:
    it = EmbeddedServers(tmp_path_factory.mktemp("embedded") / "data")
    await it.start(authorization=AUTHORIZATION)
    yield it
    await it.stop()


async def test_only_the_owner_can_enter_and_read(servers: EmbeddedServers) -> None:
    assert servers.data.stat().st_mode & 0o777 == 0o700
    found = {path: path.lstat().st_mode for path in servers.data.rglob("*")}
    folders = {path: mode for path, mode in found.items() if stat.S_ISDIR(mode)}
    assert {path for path, mode in folders.items() if mode & 0o077} == set()
    # SeaweedFS sets the modes of its own files; their folder lets nobody in.
    files = {path: mode & 0o777 for path, mode in found.items() if path not in folders}
    volumes = servers.data / "s3" / "data"
    assert {
        path for path, mode in files.items() if mode & 0o077 and volumes not in path.parents
    } == set()
    secrets = list((servers.data / "credentials").iterdir())
    assert len(secrets) >= 4
    assert {files[path] for path in secrets} == {0o600}
    assert files[servers.data / "nats" / "nats.conf"] == 0o600
    assert files[servers.data / "nats" / "auth.conf"] == 0o600


async def test_everything_listens_on_the_loopback_only(servers: EmbeddedServers) -> None:
    found = listening_addresses(descendants())
    assert {address for address, _ in found} == {"0100007F"}
    assert {port for _, port in found} == set(
        json.loads((servers.data / "ports.json").read_text()).values()
    )


async def test_no_secret_is_on_a_command_line_or_in_an_environment(
    servers: EmbeddedServers,
) -> None:
    secrets = [path.read_bytes().strip() for path in (servers.data / "credentials").iterdir()]
    for pid in descendants():
        assert not any(secret in shown_to_others(pid) for secret in secrets)


async def test_no_secret_is_in_the_log(servers: EmbeddedServers) -> None:
    log = (servers.data / "servers.log").read_bytes()
    for path in (servers.data / "credentials").iterdir():
        assert path.read_bytes().strip() not in log, path.name


async def test_a_second_start_names_the_holder(servers: EmbeddedServers) -> None:
    with pytest.raises(Misconfigured, match=f"in use by process {os.getpid()}"):
        await EmbeddedServers(servers.data).start(authorization=AUTHORIZATION)
    await (await connect_nats(servers.endpoints)).close()


async def test_the_inner_ports_of_s3_serve_nobody(servers: EmbeddedServers) -> None:
    ports = json.loads((servers.data / "ports.json").read_text())
    at = servers.endpoints
    await asyncio.to_thread(s3_client(at).make_bucket, "inner")
    await asyncio.to_thread(s3_client(at).put_object, "inner", "one", io.BytesIO(b"x"), 1)

    def status(method: str, part: str, path: str) -> int:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", ports[part])) as to:
            to.request(method, path)
            return to.getresponse().status

    for asked in (
        ("GET", "s3_filer", "/buckets/inner/one"),
        ("DELETE", "s3_filer", "/buckets/inner/one"),
        ("GET", "s3_master", "/dir/assign"),
        ("GET", "s3_master", "/col/delete?collection=inner"),
        ("GET", "s3_s3", "/inner/one"),
        *(("GET", "s3_volume", f"/{volume},01000000000000") for volume in range(1, 8)),
        *(("DELETE", "s3_volume", f"/{volume},01000000000000") for volume in range(1, 8)),
    ):
        assert await asyncio.to_thread(status, *asked) in {401, 403, 404}, asked
    for part in ("master", "volume", "filer", "s3"):
        context = ssl.create_default_context(cafile=servers.data / "s3" / "inner.crt")
        context.check_hostname = False
        with pytest.raises(OSError, match=r"(?i)certificate required|reset|closed"):
            await asyncio.to_thread(_tls_read, ports[f"s3_{part}_grpc"], context)


async def test_large_objects_come_back_whole(servers: EmbeddedServers) -> None:
    def there_and_back(body: bytes) -> bytes:
        client = s3_client(servers.endpoints)
        client.make_bucket("large")
        client.put_object("large", "one", io.BytesIO(body), len(body), part_size=5 * 1024 * 1024)
        answer = client.get_object("large", "one")
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    body = os.urandom(12 * 1024 * 1024)
    assert await asyncio.to_thread(there_and_back, body) == body


async def test_nats_syncs_and_encrypts(servers: EmbeddedServers) -> None:
    def jetstream() -> dict[str, object]:
        with urllib.request.urlopen(f"{servers.endpoints.nats_monitor_url}/jsz") as answer:  # noqa: S310
            config: dict[str, object] = json.load(answer)["config"]
            return config

    config = await asyncio.to_thread(jetstream)
    assert config["sync_always"] is True
    bus = await connect_nats(servers.endpoints)
    await bus.jetstream().add_stream(name="SECRET", subjects=["secret"])
    await bus.jetstream().publish("secret", b"needle in the haystack")
    await bus.close()
    kept = [path for path in (servers.data / "nats").rglob("*") if path.is_file()]
    assert kept
    assert not any(b"needle in the haystack" in path.read_bytes() for path in kept)


async def test_postgres_is_durable_and_silent_about_values(servers: EmbeddedServers) -> None:
    async with await psycopg.AsyncConnection.connect(servers.endpoints.postgres.url) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            shown = await (await connection.execute(f"SHOW {setting}")).fetchone()
            assert shown == ("on",), setting
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            await connection.execute("SELECT 'private words'::int")
        await connection.rollback()
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            await connection.execute("SELECT %s::text::int", ["private words"])
    assert "private words" not in (servers.data / "servers.log").read_text()


async def test_postgres_asks_for_the_password(servers: EmbeddedServers) -> None:
    at = servers.endpoints.postgres
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(
            host=at.host, port=at.port, user=at.user, password="wrong", dbname=at.database
        )


@pytest.mark.parametrize("name", NAMES)
async def test_a_killed_server_comes_back(servers: EmbeddedServers, name: str) -> None:
    first = servers.supervisor.pid(name)
    await servers.supervisor.kill(name)
    await servers.supervisor.wait_ready(name, within=20)
    assert servers.supervisor.pid(name) != first
