"""export's table: which verb and which job go where, when it is ready."""

from sealbook.contract import subjects
from sealbook.projection.service import ProjectionService
from sealbook.runtime import objects
from sealbook.runtime.process import Process
from sealbook.runtime.service import Wiring
from sealbook.runtime.users import Users
from sealbook.stream.cursor import api
from sealbook.stream.topology import EXPORT_CONSUMER
from services.export.commands import ExportCommands
from services.export.jobs import listen
from services.export.life import Life
from services.export.table import ExportProjector
from services.export.worker import Worker


async def wire(process: Process) -> Wiring:
    keyring = await process.keyring()
    worker = Worker(
        process=process,
        keyring=keyring,
        users=Users(keyring),
        life=Life(process, keyring),
        s3=objects.client(process.settings),
    )
    listen(process, worker)
    projection = ProjectionService(process, ExportProjector())

    async def consumer() -> None:
        await api(process.client, f"CONSUMER.INFO.{subjects.JOB_STREAM}.{EXPORT_CONSUMER}", {})

    return Wiring(
        verbs=[*ExportCommands(process, worker).verbs(), projection.verb()],
        loops=[projection.runner.run],
        checks=[consumer, projection.check],
        status=projection.status,
    )
