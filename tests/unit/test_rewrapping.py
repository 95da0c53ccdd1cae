"""The keyring and its provider: how many keys at a time, what is active, what is wrapped anew."""

from uuid import UUID

import pytest
from keyrings import ADA, DAY, Provider, Store

from sealbook.errors import Misconfigured, Unavailable
from sealbook.sealing.keyring import Keyring
from sealbook.sealing.scope import PROBE, Scope, context_fields

SCOPES = [Scope("support", "subject", str(number)) for number in range(40)]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def keyring(store: Store, provider: Provider) -> Keyring:
    return Keyring(store, provider)


@pytest.mark.parametrize(("at_once", "busiest"), [(1, 1), (8, 8), (100, 40)])
async def test_no_more_keys_are_under_way_than_the_provider_takes(
    store: Store, at_once: int, busiest: int
) -> None:
    provider = Provider(at_once)
    made = await Keyring(store, provider).for_scopes(SCOPES)
    assert provider.busiest == busiest
    again = Provider(at_once)
    again.wrapped = provider.wrapped
    keys = [key.id for key in made.values()]
    found = await Keyring(store, again).for_ids(keys)
    assert again.busiest == busiest
    assert found == {key.id: key for key in made.values()}


@pytest.mark.parametrize("at_once", [1, 8])
@pytest.mark.parametrize("error", [Unavailable("away"), Misconfigured("no")])
async def test_what_the_provider_says_is_raised_and_nothing_is_stored(
    store: Store, at_once: int, error: Exception
) -> None:
    provider = Provider(at_once)
    provider.fails = error
    with pytest.raises(type(error)) as caught:
        await Keyring(store, provider).for_scopes(SCOPES)
    assert caught.value is error
    assert store.keys == {}


async def test_the_active_key_is_the_providers(keyring: Keyring, provider: Provider) -> None:
    provider.kek_id = "kek-2"
    assert await keyring.active() == "kek-2"


async def test_rewrapped_keys_are_the_same_under_the_new_key(
    keyring: Keyring, store: Store, provider: Provider
) -> None:
    made = await keyring.for_scopes([ADA, DAY])
    before = list(store.keys.values())
    provider.kek_id = "kek-2"
    anew = await keyring.rewrap(before)
    assert [(key.id, key.scope, key.kek_id) for key in anew] == [
        (key.id, key.scope, "kek-2") for key in before
    ]
    assert {key.wrapped for key in anew}.isdisjoint(key.wrapped for key in before)
    store.keys = {key.scope: key for key in anew}
    assert await Keyring(store, provider).for_scopes([ADA, DAY]) == made
    # Who has the secret has it still: nothing needs to be forgotten.
    unwraps = provider.unwraps
    assert await keyring.for_scopes([ADA, DAY]) == made
    assert provider.unwraps == unwraps


@pytest.mark.parametrize("at_once", [1, 8])
async def test_keys_that_cannot_be_unwrapped_are_left_out_of_a_rewrapping(
    store: Store, at_once: int, caplog: pytest.LogCaptureFixture
) -> None:
    provider = Provider(at_once)
    keyring = Keyring(store, provider)
    await keyring.for_scopes(SCOPES)
    keys = list(store.keys.values())
    for key in keys[:3]:
        del provider.wrapped[key.wrapped]
    anew = await keyring.rewrap(keys)
    assert [key.id for key in anew] == [key.id for key in keys[3:]]
    assert "3 of 40 data keys stay as they are: It is gone." in caplog.text


async def test_a_rewrapping_waits_for_a_provider_that_is_away(
    keyring: Keyring, store: Store, provider: Provider
) -> None:
    await keyring.for_scopes([ADA])
    provider.fails = Unavailable("away")
    with pytest.raises(Unavailable):
        await keyring.rewrap(list(store.keys.values()))


@pytest.mark.parametrize(
    "scope", [ADA, DAY, Scope("support", "index", ""), Scope("", "service", "ingest.quarantine")]
)
def test_a_context_tells_its_fields_and_leaves_out_what_is_empty(scope: Scope) -> None:
    fields = context_fields(scope.context(UUID(int=7)))
    all_fields = {
        "key": str(UUID(int=7)),
        "project": scope.project,
        "purpose": scope.purpose,
        "name": scope.name,
    }
    assert fields == {name: value for name, value in all_fields.items() if value}
    assert "" not in fields.values()
    assert context_fields(PROBE)["name"] == "probe"
