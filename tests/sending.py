"""Publishing as any NATS client can: a body on a subject, and the stream's acknowledgement."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from nats.aio.client import Client

from sealbook.cli.connection import find_connection
from sealbook.cli.stack import Stack
from sealbook.stream import bus

REQUEST = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Write to jane.doe@example.com, please."}],
}
RESPONSE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Done."}}
    ],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
}
CALL: dict[str, Any] = {
    "provider": "openai",
    "model": "gpt-4o-mini",
    "request": REQUEST,
    "response": RESPONSE,
}
CALL_CENTS = "0.045"
"""1,000 tokens at 0.15 and 500 at 0.60 dollars per million."""


async def connect(stack: Stack, user: str) -> Client:
    """A client of the bus as an actor, or as one of the bus's own users."""
    known = find_connection(stack.data, "admin")
    is_actor = (stack.secrets.folder / "actors" / user).exists()
    address = find_connection(stack.data, user).address() if is_actor else known.address(user)
    return await bus.connect(address, name="test")


async def send(
    client: Client, project: str, body: bytes | dict[str, Any], message_id: object = None
) -> None:
    """Publish a submission and wait until the stream has it."""
    headers = {"Nats-Msg-Id": str(message_id)} if message_id else None
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = await client.request(f"sealbook.submit.{project}", content, timeout=10, headers=headers)
    assert "error" not in json.loads(reply.data), reply.data


async def send_all(client: Client, project: str, bodies: Iterable[bytes | dict[str, Any]]) -> int:
    """Publish all, in order of acknowledgement none in particular; how many there were."""
    waiting = [send(client, project, body) for body in bodies]
    await asyncio.gather(*waiting)
    return len(waiting)
