"""Searching by user: with the project's key if there is one; a question makes none."""

from typing import cast
from uuid import UUID

import pytest

from sealbook.contract.filters import Filter
from sealbook.runtime.users import Users
from sealbook.sealing import blind_index
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.keyring import Keyring
from sealbook.sealing.scope import Scope

KEY = DataKey(UUID(int=1), b"i" * 32)


class Existing:
    """A keyring that can only be asked: making a key would be an AttributeError."""

    def __init__(self, *projects: str) -> None:
        self._scopes = {blind_index.index_scope(project) for project in projects}

    async def existing(self, scope: Scope) -> DataKey | None:
        return KEY if scope in self._scopes else None


def users(*projects: str) -> Users:
    return Users(cast("Keyring", Existing(*projects)))


async def test_a_user_is_known_by_the_hash_under_its_projects_key() -> None:
    found = await users("support").hash_for(Filter(project="support", user="ada"))
    assert found == blind_index.user_hash(KEY, "ada")


async def test_where_nobody_was_ever_recorded_nobody_matches_and_no_key_is_made() -> None:
    assert await users("sales").hash_for(Filter(project="support", user="ada")) is None


@pytest.mark.parametrize("wanted", [Filter(), Filter(project="support")])
async def test_without_a_user_there_is_no_hash(wanted: Filter) -> None:
    assert await users("support").hash_for(wanted) is None
