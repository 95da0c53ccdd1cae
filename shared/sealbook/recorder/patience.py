"""How long a bulk waits for a bus that takes nothing: its bound once, then not at all."""

import asyncio
from collections.abc import Awaitable
from typing import Any


class Patience:
    """Starts anew with every wait that succeeds; once it is lost, it is lost."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def wait(self, event: Awaitable[Any]) -> None:
        """Return when `event` has happened or patience is over; a future is left as it is."""
        waiting = asyncio.ensure_future(event)
        done, _ = await asyncio.wait({waiting}, timeout=self._seconds)
        if not done:
            self._seconds = 0.0
            if waiting is not event:
                waiting.cancel()
