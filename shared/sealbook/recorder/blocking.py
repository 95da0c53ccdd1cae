"""The recorder for synchronous code: a `Recorder` on the event loop of a thread of its own."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar, Unpack
from uuid import UUID

from sealbook.recorder.receipt import Receipt
from sealbook.recorder.recorder import Options, Recorder, State
from sealbook.recorder.sender import Counters

FAREWELL_SECONDS = 1.0

Answer = TypeVar("Answer")
Work: TypeAlias = Callable[[], Coroutine[Any, Any, Answer]]


class BlockingRecorder:
    """`Recorder` without `await`, same options; may be called from many threads.

        with BlockingRecorder("nats://localhost:4222", project="support") as recorder:
            receipt = recorder.record(provider="openai", model="gpt-4o", request=…)

    Threads do not survive a fork: a process forked after opening (gunicorn's `preload_app`,
    multiprocessing's `fork`) gets receipts that say so, and opens its own recorder; what the
    parent had queued is the parent's to send. The thread is a daemon: leave the `with` block, or
    what is still queued is lost at the end of the process.
    """

    def __init__(self, url: str, **options: Unpack[Options]) -> None:
        self._recorder = Recorder(url, **options)
        self._turn = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._owner = os.getpid()

    def __enter__(self) -> Self:
        self._owner, self._loop = os.getpid(), asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_run, args=(self._loop,), name="sealbook-recorder", daemon=True
        )
        self._thread.start()
        opening = self._begin(self._recorder.__aenter__)
        try:
            if opening:
                opening.result()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(lambda: self._recorder.__aexit__(kind, error, trace))

    def record(self, **fields: Any) -> Receipt:
        """As `Recorder.record`."""
        call = self._begin(lambda: self._recorder.record(**fields))
        return call.result() if call else self._recorder.not_open()

    def record_many(self, submissions: Iterable[Mapping[str, Any]]) -> list[Receipt]:
        """As `Recorder.record_many`; the recorder's own thread takes from `submissions`."""
        call = self._begin(lambda: self._recorder.record_many(submissions))
        return call.result() if call else [self._recorder.not_open() for _ in submissions]

    def close(self) -> tuple[UUID, ...]:
        """As `Recorder.close`."""
        return self._end(self._recorder.close) or ()

    @property
    def state(self) -> State:
        """As `Recorder.state`."""
        return self._recorder.state

    @property
    def trouble(self) -> str | None:
        """As `Recorder.trouble`."""
        return self._recorder.trouble

    @property
    def queued(self) -> int:
        """As `Recorder.queued`."""
        return self._recorder.queued

    @property
    def counters(self) -> Counters:
        """As `Recorder.counters`."""
        return self._recorder.counters

    def _begin(self, work: Work[Answer]) -> Future[Answer] | None:
        """The work begun on the loop; None when there is no loop in this process."""
        if os.getpid() != self._owner:
            return None  # before the lock: at the fork another thread may have held it
        with self._turn:  # so that no call enters a loop that is about to end
            return asyncio.run_coroutine_threadsafe(work(), self._loop) if self._loop else None

    def _end(self, work: Work[Answer]) -> Answer | None:
        """The result of the last work; then the loop and its thread are gone."""
        last = self._begin(lambda: _last(work()))
        if last is None:
            return None
        with self._turn:
            loop, self._loop = self._loop, None
        try:
            return last.result()
        finally:
            if loop and self._thread:
                loop.call_soon_threadsafe(loop.stop)
                self._thread.join()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _last(work: Coroutine[Any, Any, Answer]) -> Answer:
    """The result of `work`, once the calls of other threads have theirs."""
    try:
        return await work
    finally:
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=FAREWELL_SECONDS)
