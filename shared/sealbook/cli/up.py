"""`sealbook up`: everything on this machine until Ctrl-C."""

import asyncio
import signal
import sys
from pathlib import Path

import click

from sealbook.cli.connection import DEFAULT_DATA
from sealbook.cli.stack import SERVICES, Stack


@click.command("up")
@click.option("--data", type=click.Path(path_type=Path), default=DEFAULT_DATA, show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), help="Of NATS; a free one without it.")
def up(data: Path, port: int | None) -> None:
    """Run embedded servers and all services until Ctrl-C. Data stays in the folder."""
    asyncio.run(_up(data, port))


async def _up(data: Path, port: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stack = Stack(data, sys.stderr, nats_port=port)
    starting = asyncio.create_task(stack.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    try:
        endpoints = await starting
        click.echo(_welcome(data, endpoints.nats_url, stack.ports))
        await stopping
        click.echo("Stopping …")
    finally:
        await stack.stop()


def _welcome(data: Path, nats_url: str, ports: dict[str, int]) -> str:
    health = ", ".join(f"{name} http://127.0.0.1:{ports[name]}/metrics" for name in SERVICES)
    return (
        f"Sealbook is up. Data: {data}  NATS: {nats_url}\n"
        f"  {health}\n"
        "  Try in another terminal:  sealbook status\n"
        "  Stop with Ctrl-C."
    )
