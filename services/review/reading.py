"""`interaction.list`, `.show`, `.open` and `audit.list`. Opening is on the record first."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Row

from sealbook.contract.commands import ListAudit, ListInteractions, Open
from sealbook.contract.events import InteractionOpened
from sealbook.contract.ids import new_id
from sealbook.errors import KeyUnavailable
from sealbook.projection.published import (
    claim_of,
    comment_binding,
    payload_binding,
    payload_key_id,
)
from sealbook.projection.waiting import shows
from sealbook.runtime.objects import Bucket
from sealbook.runtime.process import Process
from sealbook.runtime.users import Users
from sealbook.sealing import cipher
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring
from sealbook.sealing.payload import Payload
from sealbook.stream.append import NewEvent
from services.review import read


@dataclass(frozen=True, slots=True)
class Reading:
    """The verbs that show something."""

    process: Process
    keyring: Keyring
    users: Users
    bucket: Bucket

    async def list(self, actor: str, command: ListInteractions) -> dict[str, Any]:
        wanted = command.filter
        projects = self.process.policy.authorized_projects(
            actor, "interaction.list", wanted.project
        )
        user_hash = await self.users.hash_for(wanted)
        rows = await self.process.database.run(read.page, command, user_hash, projects)
        return {"interactions": rows, "next": _next(rows, command.limit)}

    async def show(self, actor: str, command: Open) -> dict[str, Any]:
        """Everything about an interaction that is clear."""
        row = await self.process.database.run(read.clear, command.id)
        self.process.policy.authorize(
            actor, "interaction.list", row["project"], resource=str(command.id)
        )
        return {"interaction": row}

    async def audit(self, actor: str, command: ListAudit) -> dict[str, Any]:
        self.process.policy.authorize(actor, "audit.list", None)
        rows = await self.process.database.run(read.trail, command)
        return {"audit": rows, "next": _next(rows, command.limit)}

    async def open(self, actor: str, command: Open) -> dict[str, Any]:
        row = await self.process.database.run(read.whole, command.id)
        self.process.policy.authorize(
            actor, "interaction.open", row.project, resource=str(command.id)
        )
        key_id = payload_key_id(row)
        key = (await self.keyring.for_ids([key_id])).get(key_id)
        if key is None:
            raise KeyUnavailable(
                f"The payload of interaction {command.id} was erased: its key is destroyed.",
                remedy="Nothing can bring it back; what stays is its row.",
            )
        sealed = await self._sealed(row)
        await self._put_on_record(actor, row)
        decisions = await self.process.database.run(read.decisions_about, command.id)
        return {
            "interaction": _opened(row, sealed, key),
            "reviews": [_review(decision, key) for decision in decisions],
        }

    async def _sealed(self, row: Row[Any]) -> bytes:
        """The sealed payload, from the row or from S3."""
        claim = claim_of(row)
        if claim is not None:
            return await asyncio.to_thread(self.bucket.get, claim, row.id)
        sealed: bytes = row.sealed
        return sealed

    async def _put_on_record(self, actor: str, row: Row[Any]) -> None:
        now = datetime.now(UTC)
        event = InteractionOpened(
            id=new_id(), interaction_id=row.id, project=row.project, actor=actor, opened_at=now
        )
        position = await self.process.log.append(NewEvent(event, row.partition, str(event.id), now))
        await shows(self.process.database, position)


def _next(rows: list[dict[str, Any]], limit: int) -> int | None:
    return rows[-1]["log_position"] if len(rows) == limit else None


def _opened(row: Row[Any], sealed: bytes, key: DataKey) -> dict[str, Any]:
    payload = Payload.decode(cipher.unseal(key, sealed, payload_binding(row)))
    return {
        "id": row.id,
        "project": row.project,
        "provider": row.provider,
        "model": row.model,
        "occurred_at": row.occurred_at,
        "request": from_json(payload.request),
        "response": from_json(payload.response),
        **payload.rest_fields(),
    }


def _review(row: Row[Any], key: DataKey) -> dict[str, Any]:
    return {
        "state": row.state,
        "version": row.review_version,
        "actor": row.actor,
        "reviewed_at": row.reviewed_at,
        "comment": _comment(row, key),
    }


def _comment(row: Row[Any], key: DataKey) -> str | None:
    if row.sealed_comment is None:
        return None
    return cipher.unseal(key, row.sealed_comment, comment_binding(row)).decode()
