"""review's table: which verb goes where, what it projects, when it is ready."""

from sealbook.contract.commands import ListAudit, ListInteractions, Open, Review
from sealbook.projection.service import ProjectionService
from sealbook.runtime.commands import Verb
from sealbook.runtime.objects import Bucket, client
from sealbook.runtime.process import Process
from sealbook.runtime.service import Wiring
from sealbook.runtime.users import Users
from services.review.projector import ReviewProjector
from services.review.reading import Reading
from services.review.reviewing import Reviewing


async def wire(process: Process) -> Wiring:
    keyring = await process.keyring()
    users = Users(keyring)
    reviewing = Reviewing(process, keyring, users)
    bucket = Bucket(client(process.settings), process.settings.s3_bucket)
    reading = Reading(process, keyring, users, bucket)
    projection = ProjectionService(process, ReviewProjector())
    return Wiring(
        verbs=[
            Verb("review", Review, reviewing.review),
            Verb("interaction.list", ListInteractions, reading.list),
            Verb("interaction.show", Open, reading.show),
            Verb("interaction.open", Open, reading.open),
            Verb("audit.list", ListAudit, reading.audit),
            projection.verb(),
        ],
        loops=[projection.runner.run],
        checks=[projection.check],
        status=projection.status,
    )
