"""The verbs about key-encryption keys: what wraps what, and wrapping everything anew."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sealbook.contract.commands import ListKeys, RotateKeys
from sealbook.contract.ids import new_id
from sealbook.errors import Conflict
from sealbook.runtime.commands import Verb
from sealbook.runtime.process import Process
from sealbook.sealing.keyring import Keyring
from services.ingest import rotations
from services.ingest.rewrapping import Rewrapping
from services.ingest.rotations import Rotation


@dataclass(frozen=True, slots=True)
class KeyCommands:
    """`keys.list` and `keys.rotate`, for administrators of all projects."""

    process: Process
    keyring: Keyring
    rewrapping: Rewrapping

    def verbs(self) -> list[Verb]:
        return [
            Verb("keys.list", ListKeys, self.list),
            Verb("keys.rotate", RotateKeys, self.rotate),
        ]

    async def list(self, actor: str, _: ListKeys) -> dict[str, Any]:
        self.process.policy.authorize(actor, "keys.list", None)
        latest = await self.process.database.run(rotations.latest)
        return {
            "active": await self.keyring.active(),
            "keys": await self.process.database.run(rotations.counts),
            "rotations": [rotation.as_reply() for rotation in latest],
        }

    async def rotate(self, actor: str, command: RotateKeys) -> dict[str, Any]:
        """Begin, or join what is under way to the same key; the work goes on after the reply."""
        self.process.policy.authorize(actor, "keys.rotate", None)
        active = await self.keyring.active()
        if command.kek_id not in (None, active):
            raise Conflict(
                f"The active key-encryption key here is {active!r}, not {command.kek_id!r}.",
                remedy="Bring the new key file to the services, then ask again.",
            )
        keys = await self.process.database.run(rotations.count_behind, active)
        wanted = Rotation(new_id(), active, actor, keys, 0, None, datetime.now(UTC), None)
        rotation = await self.process.database.run(rotations.begin, wanted)
        await self.rewrapping.tell_start(rotation)
        self.rewrapping.wake()
        return {"rotation": rotation.as_reply()}
