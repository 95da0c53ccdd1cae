"""`review`: one decision per interaction, appended only if nobody else decided meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sealbook.contract import subjects
from sealbook.contract.commands import MAX_REVIEW_IDS, Review
from sealbook.contract.events import InteractionReviewed
from sealbook.errors import KeyUnavailable, Refused, SealbookError
from sealbook.projection.published import payload_key_id
from sealbook.projection.waiting import shows
from sealbook.runtime.process import Process
from sealbook.runtime.users import Users
from sealbook.sealing import binding, cipher
from sealbook.sealing.keyring import Keyring
from sealbook.stream.append import NewEvent
from sealbook.stream.atomic import WrongSequence
from services.review import read
from services.review.decide import Standing, conflict, decide

CATCH_UP_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True, slots=True)
class Reviewing:
    """The `review` verb."""

    process: Process
    keyring: Keyring
    users: Users

    async def review(self, actor: str, command: Review) -> dict[str, Any]:
        if len(command.ids) == 1:
            result = await self._one(actor, command, command.ids[0])
            await shows(self.process.database, result["position"])
            return {"reviewed": 1, "results": [result]}
        ids = command.ids or await self._matching(actor, command)
        results = [await self._tried(actor, command, one) for one in ids[:MAX_REVIEW_IDS]]
        done = sum(result["ok"] for result in results)
        await shows(self.process.database, max((r.get("position", 0) for r in results), default=0))
        return {
            "reviewed": done,
            "failed": len(results) - done,
            "more": len(ids) > MAX_REVIEW_IDS,
            "results": results,
        }

    async def _matching(self, actor: str, command: Review) -> Sequence[UUID]:
        """What the filter wants of the projects the actor may review, and one more than can be
        reviewed at once, so that the answer can tell."""
        wanted = command.filter
        assert wanted is not None  # noqa: S101 Review holds either ids or a filter
        projects = self.process.policy.authorized_projects(actor, "review", wanted.project)
        user_hash = await self.users.hash_for(wanted)
        return await self.process.database.run(
            read.matching, wanted, user_hash, projects, MAX_REVIEW_IDS + 1
        )

    async def _tried(self, actor: str, command: Review, interaction_id: UUID) -> dict[str, Any]:
        try:
            return await self._one(actor, command, interaction_id)
        except SealbookError as error:
            if isinstance(error, Refused):
                await self.process.audit_refusal(
                    actor, "review", project=error.project, resource=str(interaction_id)
                )
            return {"id": interaction_id, "ok": False, "error": error.as_reply()}

    async def _one(self, actor: str, command: Review, interaction_id: UUID) -> dict[str, Any]:
        for wait_s in (*CATCH_UP_SECONDS, None):
            standing = await self.process.database.run(read.standing, interaction_id)
            self.process.policy.authorize(
                actor, "review", standing.project, resource=str(interaction_id)
            )
            event = decide(standing, command, actor, datetime.now(UTC))
            if command.comment:
                event = await self._with_comment(event, command.comment)
            try:
                position = await self._append(standing, event)
            except WrongSequence:
                # The log is ahead of our rows: another decision is on its way to them.
                if command.expected_version is not None or wait_s is None:
                    raise conflict(standing, command.expected_version) from None
                await asyncio.sleep(wait_s)
                continue
            return _result(event, position)
        raise AssertionError("unreachable: the last turn returns or raises")

    async def _append(self, standing: Standing, event: InteractionReviewed) -> int:
        subject = subjects.event_anywhere(event.type, event.key)
        new = NewEvent(event, standing.partition, str(event.id), event.reviewed_at)
        return await self.process.log.append(new, expected=(standing.position, subject))

    async def _with_comment(self, event: InteractionReviewed, comment: str) -> InteractionReviewed:
        """Sealed under the interaction's own key, so that erasing one erases the other."""
        row = await self.process.database.run(read.whole, event.interaction_id)
        key_id = payload_key_id(row)
        key = (await self.keyring.for_ids([key_id])).get(key_id)
        if key is None:
            raise KeyUnavailable(
                f"The key of interaction {event.interaction_id} was destroyed.",
                remedy="Review it without a comment.",
            )
        aad = binding.reviewed(event).encode()
        return event.model_copy(update={"sealed": cipher.seal(key, comment.encode(), aad)})


def _result(event: InteractionReviewed, position: int) -> dict[str, Any]:
    return {
        "id": event.interaction_id,
        "ok": True,
        "state": event.state,
        "version": event.review_version,
        "position": position,
    }
