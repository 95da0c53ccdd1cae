"""The sender's connection to NATS: made when first needed, made anew if it was closed for good."""

import asyncio
import contextlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError

from sealbook.errors import Misconfigured, Unavailable
from sealbook.stream.bus import BusAddress, connect

CONNECT_SECONDS = 2.0  # short: the sender tries again by itself, and says why meanwhile
LOOK_SECONDS = 0.25
CLOSE_SECONDS = 2.0

Answer = TypeVar("Answer")


class Link:
    """`password` is the text itself or the path of a file that holds it, read at each connect."""

    def __init__(self, url: str, user: str | None, password: str | Path | None) -> None:
        self._url = url
        self._user = user
        self._password = password
        self._client: Client | None = None

    async def client(self) -> Client:
        """A client that is connected now.

        Raises:
            Unavailable: there is no connection at the moment.
            Misconfigured: NATS refuses user and password, or the password's file cannot be read.
        """
        if self._client is None or self._client.is_closed:
            self._client = await connect(
                self._address(), name="sealbook-recorder", patience_s=CONNECT_SECONDS
            )
        if not self._client.is_connected:
            raise _lost()
        return self._client

    async def close(self) -> None:
        """Let go of the connection, whatever state it is in."""
        if self._client is not None:
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                await asyncio.wait_for(self._client.close(), CLOSE_SECONDS)

    def _address(self) -> BusAddress:
        password = self._password
        if isinstance(password, Path):
            password = _read(password)
        return BusAddress(self._url, self._user, password)


def _read(password_file: Path) -> str:
    try:
        return password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Misconfigured(
            f"The password file {password_file} cannot be read: {error.strerror}.",
            remedy="Name the right file; it is read again at the next try.",
        ) from None


async def while_connected(client: Client, work: Coroutine[Any, Any, Answer]) -> Answer:
    """The result of `work`; Unavailable as soon as the connection is lost, because an answer that
    was under way then never comes and nats-py would wait for it until its time is over."""
    connection = client.stats["reconnects"]
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK_SECONDS)
            lost = not client.is_connected or client.stats["reconnects"] != connection
            if lost and not task.done():
                raise _lost()
        return task.result()
    finally:
        task.cancel()


def _lost() -> Unavailable:
    return Unavailable(
        "The connection to NATS is lost.",
        remedy="It is made again by itself once the server runs.",
    )
