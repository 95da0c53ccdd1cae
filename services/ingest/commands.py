"""The verbs of ingest: what is held in quarantine, and trying it again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sealbook.contract.commands import QuarantineQuery
from sealbook.runtime.commands import Verb
from sealbook.runtime.process import Process
from sealbook.stream.atomic import Outgoing, publish
from services.ingest.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class QuarantineCommands:
    """`quarantine.list` and `quarantine.retry`, for administrators of all projects."""

    process: Process
    quarantine: Quarantine

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
        for one in held:
            # The interaction id is kept, so that a retry whose answer was lost does not count
            # twice; the entry's makes it another message than the one that was quarantined.
            headers = {"Nats-Msg-Id": f"{one.interaction_id}.{one.id}"}
            await publish(self.process.client, Outgoing(one.subject, one.body, headers))
        ids = [one.id for one in held]
        await self.quarantine.mark_retried(ids, datetime.now(UTC))
        return {"retried": len(ids)}
