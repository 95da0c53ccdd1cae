"""Waiting for what must come to be: asked again and again until it is so, or a sentence why not."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

Answer = TypeVar("Answer")
ASK_EVERY_S = 0.05


async def until(
    look: Callable[[], Awaitable[Answer]],
    holds: Callable[[Answer], object],
    what: str,
    *,
    within: float = 20.0,
) -> Answer:
    """The first answer of `look` that `holds`; the test fails naming `what` after `within` s."""
    deadline = time.monotonic() + within
    while True:
        seen = await look()
        if holds(seen):
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"Waited {within:g} s for {what}; last seen: {str(seen)[:500]}")
        await asyncio.sleep(ASK_EVERY_S)
