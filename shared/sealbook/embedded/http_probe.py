"""One HTTP question to a server on the loopback, for readiness."""

import asyncio
import contextlib

from sealbook.embedded.ports import LOOPBACK

LONGEST_ANSWER = 64 * 1024


async def ask(port: int, path: str) -> str:
    """The whole answer to a GET, status line first; OSError if nobody listens."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        await writer.drain()
        answer = await reader.read(LONGEST_ANSWER)
        while more := await reader.read(LONGEST_ANSWER - len(answer)):
            answer += more
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return answer.decode("latin-1")
