"""What every service with a projection has in common: its runner, and the verb that rebuilds it."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sealbook.contract.commands import Rebuild as RebuildCommand
from sealbook.contract.events import ProjectionRebuilt
from sealbook.contract.ids import new_id
from sealbook.errors import Unavailable
from sealbook.projection.digest import summary
from sealbook.projection.generation import count_poison
from sealbook.projection.projector import Projector
from sealbook.projection.rebuild import Rebuild
from sealbook.projection.runner import Runner
from sealbook.runtime.commands import Verb
from sealbook.runtime.process import Process
from sealbook.stream.append import NewEvent

STALE_SECONDS = 30.0


class ProjectionService:
    """Runs a projector live and rebuilds it on request."""

    def __init__(self, process: Process, projector: Projector) -> None:
        self._process = process
        self._projector = projector
        self.runner = Runner(
            process.client,
            process.database,
            projector,
            on_batch=process.metrics.on_batch(projector.name),
        )

    def verb(self) -> Verb:
        """`projection.rebuild` for this projection; for another one it stays silent."""
        return Verb(
            "projection.rebuild",
            RebuildCommand,
            self.rebuild,
            mine=lambda command: command.projection == self._projector.name,
        )

    async def rebuild(self, actor: str, command: RebuildCommand) -> dict[str, Any]:
        name = self._projector.name
        self._process.policy.authorize(actor, "projection.rebuild", None, resource=name)
        rebuild = Rebuild(self._process.client, self._process.database, self._projector)
        rebuilt = await rebuild.run(accept_difference=command.accept_difference)
        now = datetime.now(UTC)
        event = ProjectionRebuilt(
            id=new_id(),
            projection=name,
            actor=actor,
            generation=rebuilt.generation,
            position=rebuilt.position,
            digest=summary(rebuilt.digests),
            rebuilt_at=now,
        )
        partition = self._process.partition(name)
        await self._process.log.append(NewEvent(event, partition, str(event.id), now))
        return asdict(rebuilt)

    async def status(self) -> dict[str, Any]:
        """Where the projection stands."""
        poison = await self._process.database.run(count_poison, self._projector.name)
        self._process.metrics.poison.labels(self._projector.name).set(poison)
        return {
            "projection": self._projector.name,
            "position": self.runner.position,
            "poison": poison,
        }

    async def check(self) -> None:
        """Raises Unavailable when the runner shows no sign of life."""
        silent_s = time.monotonic() - self.runner.working_at
        if silent_s > STALE_SECONDS:
            raise Unavailable(
                f"The projection {self._projector.name} has not moved for {silent_s:.0f} s.",
                remedy="See the service's log: NATS or PostgreSQL is away, or a batch fails.",
            )
