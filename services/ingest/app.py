"""ingest's table: what it reads, what it answers, when it is ready."""

from typing import Any

from sealbook.contract import subjects
from sealbook.runtime.objects import Bucket, client
from sealbook.runtime.process import Process
from sealbook.runtime.service import Wiring
from sealbook.stream.cursor import SubmissionCursor, api
from sealbook.stream.topology import INGEST_CONSUMER
from services.ingest.claims import Claims
from services.ingest.commands import QuarantineCommands
from services.ingest.keys import KeyCommands
from services.ingest.orphans import Sweeper
from services.ingest.pipeline import Pipeline
from services.ingest.policy.commands import PolicyCommands
from services.ingest.policy.in_force import Policies
from services.ingest.policy.policy import NAMES
from services.ingest.prepare import Preparation
from services.ingest.quarantine import Quarantine
from services.ingest.rewrapping import Rewrapping
from services.ingest.submission_key import SubmissionKeyCommands


async def wire(process: Process) -> Wiring:
    keyring = await process.keyring()
    bucket = Bucket(client(process.settings), process.settings.s3_bucket)
    claims = Claims(bucket, process.log, process.settings.inline_payload_bytes)
    sweeper = Sweeper(bucket, process.log, process.database, process.metrics)
    await sweeper.prepare()
    quarantine = Quarantine(process.database, keyring)
    await quarantine.prepare()
    policies = Policies(process, keyring)
    await policies.load()
    pipeline = Pipeline(
        cursor=SubmissionCursor(process.client, INGEST_CONSUMER),
        log=process.log,
        claims=claims,
        preparation=Preparation(keyring, policies.rules, compress=process.settings.compress),
        quarantine=quarantine,
        partitions=process.partitions,
        metrics=process.metrics,
    )
    rewrapping = Rewrapping(process, keyring)

    async def consumer() -> None:
        await api(process.client, f"CONSUMER.INFO.{subjects.SUBMIT_STREAM}.{INGEST_CONSUMER}", {})

    async def status() -> dict[str, Any]:
        versions = {name: policies.in_force(name).version for name in NAMES}
        return {"quarantined": await quarantine.counts(), "policies": versions}

    return Wiring(
        verbs=[
            *QuarantineCommands(process, quarantine, pipeline).verbs(),
            *PolicyCommands(process, policies).verbs(),
            *SubmissionKeyCommands(process, keyring).verbs(),
            *KeyCommands(process, keyring, rewrapping).verbs(),
        ],
        loops=[pipeline.run, policies.follow, sweeper.run, rewrapping.run],
        checks=[consumer, claims.check, keyring.check],
        status=status,
    )
