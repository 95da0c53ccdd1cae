"""The verbs of ingest: what is held in quarantine, and trying it again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sealbook.contract.commands import QuarantineQuery
from sealbook.runtime.commands import Verb
from sealbook.runtime.process import Process
from services.ingest.pipeline import Pipeline
from services.ingest.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class QuarantineCommands:
    """`quarantine.list` and `quarantine.retry`, for administrators of all projects."""

    process: Process
    quarantine: Quarantine
    pipeline: Pipeline

    def verbs(self) -> list[Verb]:
        return [
            Verb("quarantine.list", QuarantineQuery, self.list),
            Verb("quarantine.retry", QuarantineQuery, self.retry),
        ]

    async def list(self, actor: str, query: QuarantineQuery) -> dict[str, Any]:
        self.process.policy.authorize(actor, "quarantine.list", None)
        entries = await self.quarantine.listing(query.ids, query.limit)
        return {"entries": entries, "counts": await self.quarantine.counts()}

    async def retry(self, actor: str, query: QuarantineQuery) -> dict[str, Any]:
        self.process.policy.authorize(actor, "quarantine.retry", None)
        held = await self.quarantine.opened(query.ids, query.limit)
        recorded = []
        for entry_id, arrival in held.items():
            if not await self.pipeline.record_or_isolate([arrival]):
                recorded.append(entry_id)
        await self.quarantine.mark_retried(recorded, datetime.now(UTC))
        return {"retried": len(held), "recorded": len(recorded)}
