"""rollup's table: which verb goes where, what it projects, when it is ready."""

from sealbook.contract.commands import QueryRollup
from sealbook.projection.service import ProjectionService
from sealbook.runtime.commands import Verb
from sealbook.runtime.process import Process
from sealbook.runtime.service import Wiring
from services.rollup.projector import RollupProjector
from services.rollup.query import Query


async def wire(process: Process) -> Wiring:
    projection = ProjectionService(process, RollupProjector())
    return Wiring(
        verbs=[
            Verb("rollup.query", QueryRollup, Query(process).query),
            projection.verb(),
        ],
        loops=[projection.runner.run],
        checks=[projection.check],
        status=projection.status,
    )
