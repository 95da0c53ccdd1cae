"""Projections: waited for with patience that ends, and never taken back by an older program."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sealbook.errors import Misconfigured, Unavailable
from sealbook.projection import generation, runner, waiting
from sealbook.projection.projector import Projector
from sealbook.projection.rebuild import Rebuild
from sealbook.projection.runner import Runner
from sealbook.projection.waiting import shows
from sealbook.runtime.database import Database


class Positions:
    """review's views, asked again and again; an exception stands for a database that is away."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def run(self, work: Callable[..., Any]) -> Any:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return work(SimpleNamespace(execute=lambda _: SimpleNamespace(scalar_one=lambda: answer)))


@pytest.mark.parametrize(
    ("answers", "shown", "asked"),
    [
        ([7], True, 1),
        ([8], True, 1),
        ([5, 6, 7], True, 3),
        ([6], False, 3),
        ([Unavailable("away")], False, 1),
        # Away in between: nobody waits on, and nobody takes it for a failure.
        ([6, Unavailable("away"), 7], False, 2),
    ],
)
async def test_views_show_a_position_or_not_and_postgresql_away_is_not(
    answers: list[int | Exception], shown: bool, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "STEPS_SECONDS", (0, 0, 0))
    database = Positions(*answers)
    assert await shows(cast("Database", database), 7) is shown
    assert database.asked == asked


@pytest.mark.parametrize("error", [Misconfigured("x"), RuntimeError("x")])
async def test_what_is_not_away_is_told(error: Exception) -> None:
    with pytest.raises(type(error)):
        await shows(cast("Database", Positions(error)), 7)


def test_waiting_ends_within_some_three_seconds() -> None:
    assert 3 <= sum(waiting.STEPS_SECONDS) <= 4


def test_a_newer_projection_tells_both_versions_and_what_to_do() -> None:
    error = generation.newer("review", 3, 2)
    assert isinstance(error, Misconfigured)
    assert not error.retryable
    assert str(error) == (
        "The projection review is at version 3; this process knows version 2. "
        "Upgrade this process, or stop it."
    )


class Live:
    """A database whose live generation was written by projector version `wrote`."""

    def __init__(self, wrote: int) -> None:
        self.wrote = wrote
        self.leases = 0

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        return self.wrote if work is generation.live_projector_version else None

    def session(self) -> Any:
        self.leases += 1
        raise Unavailable("away")


class Rebuilds:
    """Takes the place of `Rebuild`; counts."""

    done = 0

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    async def run(self) -> None:
        Rebuilds.done += 1


def running(live: Live, version: int, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setattr(runner, "Rebuild", Rebuilds)
    monkeypatch.setattr(Rebuilds, "done", 0)
    projector = SimpleNamespace(name="review", version=version, event_types=())
    return Runner(cast("Any", None), cast("Database", live), cast("Projector", projector))


@pytest.mark.parametrize(("wrote", "rebuilds"), [(1, 1), (2, 0)])
async def test_older_rows_are_rebuilt_and_rows_of_the_same_version_are_not(
    wrote: int, rebuilds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await running(Live(wrote), 2, monkeypatch)._upgrade()
    assert Rebuilds.done == rebuilds


async def test_an_older_program_leaves_the_rows_of_a_newer_one_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(Misconfigured, match="review is at version 3; this process knows version 2"):
        await running(Live(3), 2, monkeypatch)._upgrade()
    assert Rebuilds.done == 0


@pytest.mark.parametrize("wrote", [2, 3])
async def test_only_who_knows_the_live_version_asks_for_the_lease(
    wrote: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waits = asyncio.Event()

    def waited(low: float, high: float) -> float:
        waits.set()
        return low

    monkeypatch.setattr(runner.random, "uniform", waited)
    live = Live(wrote)
    run = asyncio.create_task(running(live, 2, monkeypatch).run())
    try:
        async with asyncio.timeout(10):
            await waits.wait()
        assert not run.done()
    finally:
        run.cancel()
    # It waits, with the reason in its log, and does not end: an operator may stop or upgrade it.
    assert live.leases == (wrote == 2)
    assert ("review is at version 3" in caplog.text) == (wrote == 3)


async def test_no_rebuild_by_an_older_program_either(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(generation, "live", lambda *_, **__: generation.Generation("review", 4))
    monkeypatch.setattr(generation, "live_projector_version", lambda *_: 3)
    monkeypatch.setattr(generation.Generation, "create", lambda self, *_: made.append(self))

    class Connection:
        def begin(self) -> "Connection":
            return self

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    def begin(version: int) -> Any:
        projector = cast("Projector", SimpleNamespace(name="review", version=version))
        rebuild = Rebuild(cast("Any", None), cast("Any", None), projector)
        return rebuild._begin(cast("Any", Connection()))

    with pytest.raises(Misconfigured, match="review is at version 3; this process knows version 2"):
        begin(2)
    assert made == []
    assert begin(3) == (generation.Generation("review", 4), generation.Generation("review", 5))
    assert made == [generation.Generation("review", 5)]
