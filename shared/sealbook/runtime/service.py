"""Running a service: commands and jobs by FastStream, hot loops beside it, health on HTTP."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import uvloop
from faststream.asgi import AsgiFastStream, AsgiResponse, get
from faststream.specification import AsyncAPI
from prometheus_client import generate_latest

from sealbook.contract.commands import Command
from sealbook.errors import SealbookError, Unavailable
from sealbook.runtime.commands import Verb, answer
from sealbook.runtime.process import Process, opened
from sealbook.runtime.settings import Settings
from sealbook.runtime.telemetry import configure_logging, place_of

logger = logging.getLogger("sealbook.service")

PING_SECONDS = 2.0

Check = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a service does: verbs it answers, loops it runs, and whether it can work now."""

    verbs: list[Verb] = field(default_factory=list)
    loops: Sequence[Callable[[], Awaitable[None]]] = ()
    checks: Sequence[Check] = ()
    status: Callable[[], Awaitable[dict[str, Any]]] | None = None


Wire = Callable[[Process], Awaitable[Wiring]]


def run(service: str, wire: Wire) -> None:
    """Settings → wire → serve until SIGTERM; the way every service's `__main__` ends."""
    try:
        settings = Settings.load()
        configure_logging(settings.log_level)
        healthy = uvloop.run(_serve(service, settings, wire))
    except SealbookError as error:
        sys.stderr.write(f"{service} cannot start: {error}\n")
        sys.exit(1)
    sys.exit(0 if healthy else 1)


async def _serve(service: str, settings: Settings, wire: Wire) -> bool:
    async with opened(service, settings) as process:
        wiring = await wire(process)
        answer(process, [*wiring.verbs, _status(process, wiring)])
        loops = _Loops([*wiring.loops, lambda: _while_connected(process)])
        application = AsgiFastStream(
            process.broker,
            logger=None,
            lifespan=loops.running,
            specification=AsyncAPI(title=f"Sealbook {service}", version="0.1.0"),
            asgi_routes=_routes(process, wiring),
            asyncapi_path="/asyncapi",
        )
        config = uvicorn.Config(
            application,
            host=settings.http_host,
            port=settings.http_port,
            log_level="warning",
            timeout_graceful_shutdown=10,
        )
        _tune_collector()
        server = uvicorn.Server(config)
        loops.on_death = lambda: setattr(server, "should_exit", True)
        await server.serve()
        return not loops.died


def _tune_collector() -> None:
    """A batch makes and drops hundreds of thousands of containers, none of them in cycles: looking
    for cycles at Python's own pace takes a tenth of ingest's time and finds nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


async def _while_connected(process: Process) -> None:
    """Raises once the connection to NATS is closed for good: only a new process helps then."""
    while not process.client.is_closed:  # noqa: ASYNC110 its callback is taken by the connection
        await asyncio.sleep(1)
    raise Unavailable("The connection to NATS is closed for good.")


def _status(process: Process, wiring: Wiring) -> Verb:
    """`status` is answered by every service: each tells of itself."""

    async def tell(actor: str, _: Command) -> dict[str, Any]:
        process.policy.authorize(actor, "status", None)
        told = await wiring.status() if wiring.status else {}
        return {"service": process.service, **told}

    return Verb("status", Command, tell)


class _Loops:
    """The hot loops as tasks. One that dies takes the process down, to be started anew."""

    def __init__(self, loops: Sequence[Callable[[], Awaitable[None]]]) -> None:
        self._loops = loops
        self.died = False
        self.on_death: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def running(self, **_: Any) -> AsyncIterator[None]:
        tasks = [asyncio.ensure_future(loop()) for loop in self._loops]
        for task in tasks:
            task.add_done_callback(self._ended)
        logger.info("ready (pid %d)", os.getpid())
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: "asyncio.Future[None]") -> None:
        if task.cancelled():
            return
        error = task.exception() or RuntimeError("a loop returned")
        logger.critical("a loop ended, stopping: %s", place_of(error))
        self.died = True
        self.on_death()


def _routes(process: Process, wiring: Wiring) -> list[tuple[str, Any]]:
    @get(include_in_schema=False)
    async def alive(_: Any) -> AsgiResponse:
        return AsgiResponse(b"ok\n", 200)

    @get(include_in_schema=False)
    async def ready(_: Any) -> AsgiResponse:
        for check in (*_common_checks(process), *wiring.checks):
            try:
                await check()
            except SealbookError as error:
                return AsgiResponse(f"not ready: {error}\n".encode(), 503)
        return AsgiResponse(b"ready\n", 200)

    @get(include_in_schema=False)
    async def metrics(_: Any) -> AsgiResponse:
        text = generate_latest(process.metrics.registry)
        return AsgiResponse(text, 200, {"content-type": "text/plain; version=0.0.4"})

    return [("/healthz", alive), ("/readyz", ready), ("/metrics", metrics)]


def _common_checks(process: Process) -> tuple[Check, ...]:
    async def bus() -> None:
        # Two connections: the hot path's, and FastStream's for commands and jobs.
        if not process.client.is_connected or not await process.broker.ping(PING_SECONDS):
            raise Unavailable("NATS is not connected.", remedy="Waiting for it to come back.")

    async def database() -> None:
        await process.database.run(lambda connection: connection.exec_driver_sql("SELECT 1"))

    return bus, database
