"""ingest's pipeline against a model: whatever is repeated, fails or is killed, the log holds the
first of every id once, in order per data subject, and nothing is acknowledged before."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nats.aio.msg import Msg
from pipelines import AWAY, Cursor, Held, Log, count, message, pipeline, uuid7

from sealbook.contract.documents import compact
from sealbook.stream.append import NewEvent
from services.ingest import pipeline as module
from services.ingest.pipeline import Pipeline
from services.ingest.receive import arrive

PATIENCE_S = 20


@dataclass(frozen=True)
class Sent:
    """A submission: which interaction it is about, what it says, of whom."""

    id: int
    content: int
    user: str
    complete: bool

    def message(self, sequence: int) -> Msg:
        body = {"provider": "acme", "model": f"m{self.content}", "user": self.user}
        if not self.complete:
            del body["provider"]
        made = message(sequence)
        made.headers = {"Nats-Msg-Id": str(uuid7(self.id))}
        made.data = compact(body)
        return made


@dataclass
class Expected:
    """What must come of submissions in their order: the recorded, and who was set aside."""

    recorded: dict[int, Sent] = field(default_factory=dict)
    set_aside: set[tuple[int, str]] = field(default_factory=set)
    duplicates: int = 0

    @classmethod
    def of(cls, sent: Sequence[Sent]) -> "Expected":
        model = cls()
        for sequence, one in enumerate(sent, 1):
            if not one.complete:
                model.set_aside.add((sequence, "incomplete"))
            elif (first := model.recorded.setdefault(one.id, one)) is one:
                continue
            elif (first.content, first.user) == (one.content, one.user):
                model.duplicates += 1
            else:
                model.set_aside.add((sequence, "conflict"))
        return model


class UnsteadyLog(Log):
    """Fails before, amid or after an append; or the process is killed there."""

    def __init__(self, outcomes: Sequence[str]) -> None:
        super().__init__()
        self.outcomes = deque(outcomes)
        self.killed = asyncio.Event()
        self.refused = False
        """The stream refuses a batch that holds an id twice."""

    async def append_once(self, events: Sequence[NewEvent]) -> list[NewEvent]:
        ids = [new.event.key for new in events]
        self.refused |= len(ids) != len(set(ids))
        await asyncio.sleep(0)
        outcome = self.outcomes.popleft() if self.outcomes else "stored"
        happens = {"stored": 1.0, "after": 1.0, "half": 0.5, "killed after": 1.0}.get(outcome, 0)
        existing = await super().append_once(events[: round(len(events) * happens)])
        if outcome.startswith("killed"):
            self.killed.set()
            await asyncio.Event().wait()
        if outcome != "stored":
            raise AWAY
        return existing


class Queue(Cursor):
    """Delivers batches of the given sizes, some of them once more later, what was not acknowledged
    again to the next process."""

    def __init__(
        self,
        waiting: dict[int, Msg],
        sizes: Sequence[int],
        late: Sequence[int] = (),
        *,
        log: Log,
        held: Held,
    ) -> None:
        super().__init__()
        self.waiting = waiting
        self._log, self._held = log, held
        self._sizes = deque(sizes)
        self._next = [*waiting.values(), *(waiting[one] for one in late if one in waiting)]
        self.empty = asyncio.Event()

    async def batch(self, max_messages: int, *, wait_s: float) -> list[Msg]:
        await asyncio.sleep(0)
        size = self._sizes.popleft() if self._sizes else 3
        taken, self._next = self._next[:size], self._next[size:]
        if not taken:
            await asyncio.sleep(0.001)
        return taken

    async def acknowledge(self, messages: Sequence[Msg]) -> None:
        for one in messages:
            sequence = arrive(one).sequence
            in_quarantine = sequence in dict(self._held.codes)
            assert in_quarantine or arrive(one).id in self._log.events, "acknowledged, not recorded"
            self.waiting.pop(sequence, None)
        if not self.waiting:
            self.empty.set()


@pytest.fixture(scope="module", autouse=True)
def at_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RETRY_SECONDS", 0)
        yield


SENT = st.builds(
    Sent, st.integers(1, 5), st.integers(1, 2), st.sampled_from("ab"), st.integers(0, 5).map(bool)
)
OUTCOMES = st.lists(
    st.sampled_from(["stored", "before", "after", "half", "killed before", "killed after"]),
    max_size=8,
)
SIZES = st.lists(st.integers(1, 5), max_size=8)


@settings(deadline=None)
@given(
    st.lists(SENT, min_size=1, max_size=14),
    SIZES,
    OUTCOMES,
    st.lists(st.integers(1, 14), max_size=3),
)
def test_each_interaction_once_the_first_of_it_in_order_and_acknowledged_only_then(
    sent: list[Sent], sizes: list[int], outcomes: list[str], late: list[int]
) -> None:
    log, held = asyncio.run(worked(sent, sizes, outcomes, late))
    model = Expected.of(sent)
    assert not log.refused
    recorded = {event.id: event.model for event in log.recorded}
    assert recorded == {uuid7(one): f"m{first.content}" for one, first in model.recorded.items()}
    assert set(held.codes) == model.set_aside
    assert of_each_user(log) == sorted(
        [str(uuid7(one.id)) for one in model.recorded.values() if one.user == user]
        for user in {one.user for one in model.recorded.values()}
    )


@settings(deadline=None)
@given(st.lists(SENT, min_size=1, max_size=14), SIZES)
def test_what_was_counted_is_what_came_of_it(sent: list[Sent], sizes: list[int]) -> None:
    async def run() -> tuple[float, ...]:
        log, held = UnsteadyLog(()), Held()
        queue = Queue(on_the_queue(sent), sizes, log=log, held=held)
        made = pipeline(log, held, queue)
        await one_life(made, queue, log)
        return tuple(count(made, name) for name in ("recorded", "duplicate", "quarantined"))

    model = Expected.of(sent)
    expected = (len(model.recorded), model.duplicates, len(model.set_aside))
    assert asyncio.run(run()) == expected


def on_the_queue(sent: Sequence[Sent]) -> dict[int, Msg]:
    return {sequence: one.message(sequence) for sequence, one in enumerate(sent, 1)}


async def worked(
    sent: Sequence[Sent], sizes: Sequence[int], outcomes: Sequence[str], late: Sequence[int]
) -> tuple[UnsteadyLog, Held]:
    """As many processes, one after the other, as it takes to empty the queue."""
    log, held, waiting = UnsteadyLog(outcomes), Held(), on_the_queue(sent)
    while waiting:
        queue = Queue(waiting, sizes, late, log=log, held=held)
        await one_life(pipeline(log, held, queue), queue, log)
    return log, held


async def one_life(made: Pipeline, queue: Queue, log: UnsteadyLog) -> None:
    """Until the queue is empty or the process is killed."""
    log.killed.clear()
    events = [asyncio.create_task(one.wait()) for one in (queue.empty, log.killed)]
    run = asyncio.create_task(made.run())
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait([run, *events], return_when=asyncio.FIRST_COMPLETED)
    for task in (run, *events):
        task.cancel()
    ended, *_ = await asyncio.gather(run, *events, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError), ended


def of_each_user(log: Log) -> list[list[str]]:
    """The ids of each data subject, in the order of the log."""
    by_user: dict[str | None, list[str]] = {}
    for event in log.recorded:
        by_user.setdefault(event.user_hash, []).append(str(event.id))
    return sorted(by_user.values())
