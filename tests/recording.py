"""Recorders without a stack: a nats-server to stop and start, and what they left in its stream."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from nats.aio.client import Client

from sealbook.contract import subjects
from sealbook.stream.bus import BusAddress, connect
from sealbook.stream.cursor import api

CONFIG = """
listen: "127.0.0.1:{port}"
max_payload: 1MB
jetstream {{ store_dir: "{store}", sync_interval: always }}
authorization {{
  users: [
    {{ user: anyone, password: anyone }}
    {{ user: app, password: secret, permissions: {{
      publish: ["sealbook.submit.demo"], subscribe: ["_INBOX.app.>"] }} }}
  ]
}}
no_auth_user: anyone
"""
CANARY = "canary-4711"
CALL = {"provider": "openai", "model": "gpt-4o", "request": {"prompt": CANARY}}


class Server:
    """A nats-server that can be stopped and started again on the same store and port."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._config = folder / "nats.conf"
        self._config.write_text(CONFIG.format(port=self.port, store=folder / "store"))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = Path(sys.executable).parent / "nats-server"
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen([binary, "-c", self._config], stdout=quiet, stderr=quiet)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            time.sleep(0.02)
        raise AssertionError("nats-server did not start")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def admin(server: Server) -> AsyncIterator[Client]:
    client = await connect(BusAddress(server.url), name="test")
    try:
        yield client
    finally:
        await client.close()


async def stored(server: Server) -> list[tuple[str, str, dict[str, Any]]]:
    """(subject, Nats-Msg-Id, body) of every submission in the stream, in order."""
    messages = []
    async with admin(server) as client:
        state = (await api(client, f"STREAM.INFO.{subjects.SUBMIT_STREAM}", {}))["state"]
        assert isinstance(state, dict)
        stream = client.jetstream()
        for sequence in range(int(state["first_seq"]), int(state["last_seq"]) + 1):
            message = await stream.get_msg(subjects.SUBMIT_STREAM, sequence)
            assert message.data is not None
            headers = message.headers or {}
            messages.append(
                (message.subject or "", headers["Nats-Msg-Id"], json.loads(message.data))
            )
    return messages


async def stored_ids(server: Server) -> list[UUID]:
    return [UUID(message_id) for _, message_id, _ in await stored(server)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 what we wait for is another's progress
            await asyncio.sleep(0.005)


def calls(count: int) -> Iterator[dict[str, Any]]:
    return ({**CALL, "metadata": {"n": number}} for number in range(count))
