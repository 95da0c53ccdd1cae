"""One way to connect to NATS: reconnects for ever, and says when it lost the bus."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.errors import Error as NatsError

from sealbook.contract import subjects
from sealbook.errors import Misconfigured, Unavailable

logger = logging.getLogger("sealbook.bus")

CONNECT_SECONDS = 10.0
RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where NATS is and who we are there. The user's inbox prefix is its own, so that no other
    user can read its replies."""

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """The address for messages: without user and password, should the URL have them.

        Raises Misconfigured when the URL is none.
        """
        try:
            parts = urlsplit(self.url if "://" in self.url else f"nats://{self.url}")
            host, port = parts.hostname, parts.port or 4222
        except ValueError:
            host = None
        if not host:
            raise Misconfigured(
                "The URL of NATS is not one.", remedy="Write it like nats://localhost:4222."
            )
        return f"{parts.scheme}://{host}:{port}"

    @property
    def inbox_prefix(self) -> str:
        return subjects.inbox(self.user) if self.user else "_INBOX"


async def connect(address: BusAddress, *, name: str, patience_s: float = CONNECT_SECONDS) -> Client:
    """A connection that survives restarts of the server.

    Raises:
        Unavailable: nobody answers at the address within `patience_s`.
        Misconfigured: the server does not accept user and password, or the URL is none.
    """
    place = address.place
    options: dict[str, Any] = {
        "servers": [address.url],
        "name": name,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RETRY_SECONDS,
        "connect_timeout": 2,
        "ping_interval": 10,
        "inbox_prefix": address.inbox_prefix.encode(),
        "pending_size": 64 * 2**20,
    }
    if address.user:
        options |= {"user": address.user, "password": address.password}
    try:
        return await asyncio.wait_for(_first_connection(address, options), patience_s)
    except TimeoutError:
        raise Unavailable(
            f"NATS does not answer at {place} within {patience_s:.0f} s.",
            remedy="Start it (`sealbook up`), or correct SEALBOOK_NATS_URL.",
        ) from None


async def _first_connection(address: BusAddress, options: dict[str, Any]) -> Client:
    # Left to itself nats-py repeats its first connection for ever, even with a wrong password.
    while True:
        client = Client()
        try:
            await client.connect(**options, **_reports(client), allow_reconnect=False)
        except BaseException as error:
            await client.close()
            if not isinstance(error, (NatsError, OSError, TimeoutError)):
                raise
            if "authorization" in str(error).lower():
                raise _not_accepted(address) from None
        else:
            client.options["allow_reconnect"] = True
            return client
        await asyncio.sleep(RETRY_SECONDS)


def _reports(client: Client) -> dict[str, Any]:
    """What the client says: a lost connection once, and each reason once until it is back."""
    said: set[str] = set()

    async def disconnected() -> None:
        if not client.is_closed:
            logger.warning("lost the connection to NATS; reconnecting")

    async def reconnected() -> None:
        said.clear()
        logger.info("reconnected to NATS")

    async def failed(error: Exception) -> None:
        at_first = not client.options["allow_reconnect"]  # then `connect` raises what it means
        if not at_first and str(error) not in said:
            said.add(str(error))
            logger.warning("NATS: %s", error)

    return {"disconnected_cb": disconnected, "reconnected_cb": reconnected, "error_cb": failed}


def _not_accepted(address: BusAddress) -> Misconfigured:
    return Misconfigured(
        f"NATS at {address.place} does not accept the user {address.user!r}.",
        remedy="Check SEALBOOK_NATS_USER and the password file.",
    )
