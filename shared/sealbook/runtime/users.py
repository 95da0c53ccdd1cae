"""A user's name in a filter as the keyed hash that stands in the rows."""

from dataclasses import dataclass

from sealbook.contract.filters import Filter
from sealbook.sealing import blind_index
from sealbook.sealing.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Users:
    """Looks up users without storing who they are."""

    keyring: Keyring

    async def hash_for(self, wanted: Filter) -> str | None:
        """The hash of `wanted.user`; None when the filter names none, or nobody can match."""
        if wanted.user is None or wanted.project is None:
            return None
        key = await self.keyring.existing(blind_index.index_scope(wanted.project))
        return blind_index.user_hash(key, wanted.user) if key else None
