"""The key that clients may seal submissions to: made when first wanted, its public half for all."""

from dataclasses import dataclass
from typing import Any

from sealbook.contract.commands import Command
from sealbook.runtime.commands import Verb
from sealbook.runtime.process import Process
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring
from sealbook.sealing.scope import Scope
from sealbook.sealing.submission import SealTo

# No project can have an empty name: this key belongs to the service. Its 32 bytes are an X25519
# private key; as one of the keyring it is wrapped, shared and rotated like all others.
SCOPE = Scope("", "service", "ingest.submissions")


class PublicKey(Command):
    """`keys.public`: what to seal submissions to."""


async def submission_key(keyring: Keyring) -> DataKey:
    """The key, the same in every process of ingest."""
    return (await keyring.for_scopes([SCOPE]))[SCOPE]


@dataclass(frozen=True, slots=True)
class SubmissionKeyCommands:
    """`keys.public`, for whoever has a role anywhere: submissions of all projects go to one key."""

    process: Process
    keyring: Keyring

    def verbs(self) -> list[Verb]:
        return [Verb("keys.public", PublicKey, self.public)]

    async def public(self, actor: str, _: PublicKey) -> dict[str, Any]:
        self.process.policy.authorized_projects(actor, "keys.public", None)
        key = await submission_key(self.keyring)
        public = SealTo.of(key.id, key.secret)
        return {"key_id": str(public.key_id), "public_key": public.public_text}
