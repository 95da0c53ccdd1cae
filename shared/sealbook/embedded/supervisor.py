"""Supervised processes by name: started one by one, kept running, stopped in reverse order."""

import asyncio
import signal
from pathlib import Path
from typing import TextIO

from sealbook.embedded.child import Child
from sealbook.embedded.keeper import Keeper
from sealbook.embedded.logbook import Logbook
from sealbook.embedded.process import Process
from sealbook.errors import Misconfigured, NotFound, Unavailable


class Supervisor:
    """Runs any number of processes, each under its own name; used from one event loop."""

    def __init__(self, log: TextIO | None = None, log_file: Path | None = None) -> None:
        self.log = Logbook(log, log_file)
        self._keepers: dict[str, Keeper] = {}

    async def start(self, process: Process) -> None:
        """Return once it is ready; `Unavailable` with its last lines if it ends or takes long."""
        if process.name in self._keepers:
            raise Misconfigured(f"A process named {process.name} is already supervised.")
        keeper = self._keepers[process.name] = Keeper(process, self.log)
        try:
            await keeper.start()
        except BaseException:
            self._keepers.pop(process.name, None)
            raise

    def pid(self, name: str) -> int:
        """The process id of the current run."""
        return self._child(name).pid

    async def kill(self, name: str) -> None:
        """SIGKILL; returns when the process is gone. It is then started again."""
        child = self._child(name)
        self._keepers[name].up.clear()
        child.send(signal.SIGKILL)
        await child.wait()

    async def wait_ready(self, name: str, within: float = 30.0) -> None:
        """Return when the current or the next run is ready; `Unavailable` after `within` s."""
        keeper = self._keeper(name)
        try:
            async with asyncio.timeout(within):
                await keeper.up.wait()
        except TimeoutError:
            raise Unavailable(f"{name} was not ready again within {within:g} s.") from None

    async def restart(self, name: str) -> None:
        """Stop in an orderly way and start again; returns when it is ready."""
        keeper = self._keeper(name)
        await keeper.stop()
        try:
            await keeper.start()
        except BaseException:
            self._keepers.pop(name, None)
            raise

    async def stop_one(self, name: str) -> None:
        """Stop a process and forget it."""
        await self._keeper(name).stop()
        self._keepers.pop(name, None)

    async def stop(self) -> None:
        """Stop everything, last started first."""
        while self._keepers:
            await self.stop_one(next(reversed(self._keepers)))
        self.log.close()

    def _keeper(self, name: str) -> Keeper:
        if name not in self._keepers:
            raise NotFound(f"No process named {name} is supervised.")
        return self._keepers[name]

    def _child(self, name: str) -> Child:
        child = self._keeper(name).child
        if child is None:
            raise NotFound(f"{name} has not been launched yet.")
        return child
