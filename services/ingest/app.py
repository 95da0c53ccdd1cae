"""ingest's table: what it reads, what it answers, when it is ready."""

from pathlib import Path
from typing import Any

from sealbook.contract import subjects
from sealbook.errors import Misconfigured
from sealbook.runtime.process import Process
from sealbook.runtime.service import Wiring
from sealbook.stream.cursor import SubmissionCursor, api
from sealbook.stream.topology import INGEST_CONSUMER
from services.ingest.commands import QuarantineCommands
from services.ingest.pipeline import Pipeline
from services.ingest.price import PriceBook, load_price_rules
from services.ingest.quarantine import Quarantine
from services.ingest.record import Rules
from services.ingest.redact import Redactor, builtin_rules


async def wire(process: Process) -> Wiring:
    keyring = process.keyring()
    quarantine = Quarantine(process.database, keyring)
    await quarantine.prepare()
    pipeline = Pipeline(
        cursor=SubmissionCursor(process.client, INGEST_CONSUMER),
        log=process.log,
        keyring=keyring,
        quarantine=quarantine,
        rules=Rules(Redactor(builtin_rules()), _prices(process.settings.prices_file)),
        partitions=process.partitions,
        metrics=process.metrics,
    )

    async def consumer() -> None:
        await api(process.client, f"CONSUMER.INFO.{subjects.SUBMIT_STREAM}.{INGEST_CONSUMER}", {})

    async def status() -> dict[str, Any]:
        return {"quarantined": await quarantine.counts()}

    return Wiring(
        verbs=QuarantineCommands(process, quarantine, pipeline).verbs(),
        loops=[pipeline.run],
        checks=[consumer],
        status=status,
    )


def _prices(path: Path | None) -> PriceBook:
    if path is None:
        return PriceBook()
    try:
        text = path.read_text()
    except OSError as error:
        raise Misconfigured(
            f"The price rules {path} cannot be read: {error.strerror}.",
            remedy="Correct SEALBOOK_PRICES_FILE.",
        ) from None
    return PriceBook(load_price_rules(text))
