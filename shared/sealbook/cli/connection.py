"""How the command line reaches the bus: a data folder of `sealbook up`, or the environment."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic_core import to_json

from sealbook.contract import subjects
from sealbook.contract.replies import read_reply
from sealbook.errors import Misconfigured, Unavailable
from sealbook.stream import bus
from sealbook.stream.bus import BusAddress

DEFAULT_DATA = Path(".sealbook")
REPLY_SECONDS = 30.0
GATHER_SECONDS = 1.0
_FILE = "connection.json"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the bus is and as whom the command line speaks there."""

    url: str
    data: Path
    actor: str

    def address(self, user: str | None = None) -> BusAddress:
        """The way in as the actor, or as another user of the bus (`recorder`)."""
        name = user or self.actor
        return BusAddress(self.url, name, self._password(name, is_actor=user is None))

    def _password(self, name: str, *, is_actor: bool) -> str:
        secrets = self.data / "secrets"
        path = secrets / "actors" / name if is_actor else secrets / name / "sealbook_nats_password"
        path = Path(os.environ.get("SEALBOOK_PASSWORD_FILE", path))
        try:
            return path.read_text().strip()
        except OSError as error:
            raise Misconfigured(
                f"The password of {name!r} cannot be read from {path}: {error.strerror}.",
                remedy="Name another actor with --actor, or set SEALBOOK_PASSWORD_FILE.",
            ) from None


def write_connection(data: Path, nats_url: str) -> None:
    """Let other commands find the bus of this data folder."""
    (data / _FILE).write_text(json.dumps({"nats_url": nats_url}))


def find_connection(data: Path, actor: str) -> Connection:
    """From SEALBOOK_NATS_URL, else from the data folder. Raises Misconfigured."""
    if url := os.environ.get("SEALBOOK_NATS_URL"):
        return Connection(url, data, actor)
    try:
        known = json.loads((data / _FILE).read_text())
    except OSError:
        raise Misconfigured(
            f"There is no Sealbook in {data}.",
            remedy="Start one with `sealbook up`, name its folder with --data, or set "
            "SEALBOOK_NATS_URL.",
        ) from None
    return Connection(known["nats_url"], data, actor)


class Door:
    """Asks services on the bus, as one actor."""

    def __init__(self, client: Client, actor: str) -> None:
        self._client = client
        self._actor = actor

    async def ask(self, verb: str, **body: Any) -> dict[str, Any]:
        """The reply's fields, within REPLY_SECONDS; `ask_patiently` waits longer.

        Raises:
            CommandFailed: the service said no, and why.
            Unavailable: no service answers.
        """
        return await self.ask_patiently(verb, REPLY_SECONDS, body)

    async def ask_patiently(
        self, verb: str, timeout_s: float, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """`ask`, for what may take long."""
        subject = subjects.command(self._actor, verb)
        try:
            reply = await self._client.request(subject, to_json(body), timeout=timeout_s)
        except (NatsError, TimeoutError) as error:
            raise Unavailable(
                f"No service answers {verb!r} ({type(error).__name__}).",
                remedy="See which services run: `sealbook status`.",
            ) from None
        return read_reply(reply.data)

    async def gather(self, verb: str) -> list[dict[str, Any]]:
        """The replies of all services that answer within a second."""
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        await self._client.publish(subjects.command(self._actor, verb), b"{}", reply=inbox)
        await asyncio.sleep(GATHER_SECONDS)
        waiting = subscription.pending_msgs
        messages = [await subscription.next_msg() for _ in range(waiting)]
        await subscription.unsubscribe()
        return [read_reply(message.data) for message in messages]


@asynccontextmanager
async def door(connection: Connection) -> AsyncIterator[Door]:
    """A door for the time of a command."""
    client = await bus.connect(connection.address(), name="sealbook-cli")
    try:
        yield Door(client, connection.actor)
    finally:
        await client.close()
