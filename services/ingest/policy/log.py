"""Policies in the log: the newest of a name, and appending another one, sealed."""

from dataclasses import replace
from datetime import UTC, datetime

from pydantic_core import from_json

from sealbook.contract import documents, subjects
from sealbook.contract.envelope import LogEntry
from sealbook.contract.events import PolicyChanged
from sealbook.contract.ids import new_id
from sealbook.errors import Conflict, Defect, KeyUnavailable
from sealbook.runtime.process import Process
from sealbook.sealing import cipher
from sealbook.sealing.binding import Binding
from sealbook.sealing.keyring import Keyring
from sealbook.sealing.scope import Scope
from sealbook.stream.append import NewEvent
from sealbook.stream.atomic import WrongSequence
from services.ingest.policy.policy import NAMES, Name, Policy, built_in

SCOPE = Scope("", "service", "ingest.policy")


class PolicyLog:
    """Reads and appends `policy.changed`."""

    def __init__(self, process: Process, keyring: Keyring) -> None:
        self._process = process
        self._keyring = keyring

    async def newest(self, name: Name) -> Policy:
        """The policy put last, else the built-in one. Raises as `opened` does."""
        entry = await self._process.log.last(_subject(name))
        return built_in(name) if entry is None else await self.opened(entry)

    async def append(self, actor: str, policy: Policy, *, instead_of: Policy) -> Policy:
        """The policy as it stands in the log now.

        Raises:
            Conflict: another one than `instead_of` is the newest.
        """
        now, event_id = datetime.now(UTC), new_id()
        key = (await self._keyring.for_scopes([SCOPE]))[SCOPE]
        binding = Binding("", str(event_id), PolicyChanged.type, 1, now)
        event = PolicyChanged(
            id=event_id,
            name=policy.name,
            policy_version=policy.version,
            actor=actor,
            changed_at=now,
            sealed=cipher.seal(key, documents.compact(policy.document), binding.encode()),
        )
        new = NewEvent(event, self._process.partition(policy.name), str(event_id), now)
        expected = (instead_of.position, _subject(policy.name))
        try:
            position = await self._process.log.append(new, expected=expected)
        except WrongSequence:
            raise superseded(policy.name) from None
        return replace(policy, actor=actor, changed_at=now, position=position)

    async def opened(self, entry: LogEntry) -> Policy:
        """The policy in an entry of the log.

        Raises:
            SealBroken: it was altered.
            KeyUnavailable: its key is gone.
        """
        event = entry.event()
        if not isinstance(event, PolicyChanged) or event.name not in NAMES:
            raise Defect(f"The entry at position {entry.position} is no policy of ingest.")
        key_id = cipher.key_id_of(event.sealed)
        key = (await self._keyring.for_ids([key_id])).get(key_id)
        if key is None:
            raise KeyUnavailable(
                f"The key of the {event.name} policy at position {entry.position} is gone.",
                remedy="Restore the keyring from its backup; nothing is recorded without its "
                "policy.",
            )
        binding = Binding("", str(event.id), PolicyChanged.type, 1, event.changed_at)
        document = from_json(cipher.unseal(key, event.sealed, binding.encode()))
        return Policy(
            name=event.name,
            document=document,
            version=event.policy_version,
            actor=event.actor,
            changed_at=event.changed_at,
            position=entry.position,
        )


def superseded(name: Name) -> Conflict:
    """Somebody else changed the policy meanwhile."""
    return Conflict(
        f"Another {name} policy was put in force meanwhile.",
        remedy=f"Look at it with `sealbook rules list {name}`, then put yours again.",
    )


def _subject(name: Name) -> str:
    return subjects.event_anywhere(PolicyChanged.type, name)
