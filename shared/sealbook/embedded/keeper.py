"""One process kept running: its current run, whether that is up, and what follows its death."""

import asyncio
import time

from sealbook.embedded.child import Child, exit_words
from sealbook.embedded.logbook import Logbook
from sealbook.embedded.process import Process
from sealbook.errors import SealbookError, Unavailable

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
# A run that lasted this many seconds did not die of its start: the delays begin anew.
STEADY_AFTER = 10.0
ASK_EVERY = 0.05
ONE_ANSWER = 5.0


class Keeper:
    """Brings one process up, and up again after each death, until told to stop."""

    def __init__(self, process: Process, log: Logbook) -> None:
        self.process = process
        self.up = asyncio.Event()
        self.child: Child | None = None
        self._log = log
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Launch and wait until ready; from then on every death is followed by a new run."""
        await self._bring_up()
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End the current run, and let none follow."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        self.up.clear()
        if self.child is not None:
            await self.child.end()

    async def _keep(self) -> None:
        delay = FIRST_DELAY
        while self.child is not None:
            code = await self.child.wait()
            self.up.clear()
            # Whatever it left running in its group would be in the way of the next run.
            await self.child.end()
            if time.monotonic() - self.child.began > STEADY_AFTER:
                delay = FIRST_DELAY
            self._say(f"ended ({exit_words(code)}); starting it again in {delay:.1f} s")
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)
            try:
                await self._bring_up()
            except (SealbookError, OSError) as error:
                self._say(f"did not come up: {str(error).splitlines()[0]}")

    async def _bring_up(self) -> None:
        if self.process.before is not None:
            await self.process.before()
        child = self.child = await Child.launch(self.process, self._log)
        try:
            await self._until_ready(child)
        except BaseException:
            await child.end()
            raise
        self.up.set()

    async def _until_ready(self, child: Child) -> None:
        until = child.began + self.process.start_timeout
        while not await self._answers():
            if child.ended:
                code = await child.wait()
                raise Unavailable(_failure(child, f"ended at its start ({exit_words(code)})"))
            if time.monotonic() > until:
                words = f"was not ready within {self.process.start_timeout:g} s"
                raise Unavailable(_failure(child, words))
            await child.ends_within(ASK_EVERY)

    async def _answers(self) -> bool:
        if self.process.ready is None:
            return True
        try:
            async with asyncio.timeout(ONE_ANSWER):
                await self.process.ready()
        except (Unavailable, OSError):
            return False
        return True

    def _say(self, words: str) -> None:
        self._log.write("supervisor", f"{self.process.name} {words}")


def _failure(child: Child, words: str) -> str:
    return f"{child.process.name} {words}. Its last lines:\n{child.last_words()}"
