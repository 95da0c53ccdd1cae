"""One way to connect to NATS: reconnects for ever, and says when it lost the bus."""

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

from sealbook.contract import subjects
from sealbook.errors import Misconfigured, Unavailable

logger = logging.getLogger("sealbook.bus")

CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where NATS is and who we are there. The user's inbox prefix is its own, so that no other
    user can read its replies."""

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls_ca: Path | None = None

    @property
    def inbox_prefix(self) -> str:
        return f"_INBOX_{subjects.token('bus user', self.user)}" if self.user else "_INBOX"


async def connect(address: BusAddress, *, name: str) -> Client:
    """A connection that survives restarts of the server.

    Raises:
        Unavailable: nobody answers at the address.
        Misconfigured: the server knows neither user nor password.
    """

    async def disconnected() -> None:
        logger.warning("lost the connection to NATS; reconnecting")

    async def reconnected() -> None:
        logger.info("reconnected to NATS")

    async def failed(error: Exception) -> None:
        logger.warning("NATS: %s", error)

    options: dict[str, Any] = {
        "servers": [address.url],
        "name": name,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.5,
        "ping_interval": 10,
        "inbox_prefix": address.inbox_prefix.encode(),
        "disconnected_cb": disconnected,
        "reconnected_cb": reconnected,
        "error_cb": failed,
        "pending_size": 64 * 2**20,
    }
    if address.user:
        options |= {"user": address.user, "password": address.password}
    return await _first_connection(address, options)


async def _first_connection(address: BusAddress, options: dict[str, Any]) -> Client:
    # While connecting for the first time nats-py retries without end; a bound keeps it honest.
    attempt = options | {"allow_reconnect": True, "connect_timeout": 2}
    try:
        return await asyncio.wait_for(nats.connect(**attempt), CONNECT_SECONDS)
    except (NatsError, OSError, TimeoutError) as error:
        if "authorization" in str(error).lower():
            raise Misconfigured(
                f"NATS at {address.url} does not accept the user {address.user!r}.",
                remedy="Check SEALBOOK_NATS_USER and the password file.",
            ) from None
        raise Unavailable(
            f"NATS does not answer at {address.url} within {CONNECT_SECONDS:.0f} s.",
            remedy="Start it (`sealbook up`), or correct SEALBOOK_NATS_URL.",
        ) from None
