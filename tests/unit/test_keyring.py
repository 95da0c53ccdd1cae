"""The keyring: one key per scope, kept for five minutes, and what the store holds counts."""

import pytest
from keyrings import ADA, DAY, Clock, Provider, SlowStore, Store

from sealbook.errors import KeyUnavailable, Misconfigured, SealbookError, SealBroken, Unavailable
from sealbook.sealing import keyring as module
from sealbook.sealing.keyring import ARRIVAL_SECONDS, CACHE_SECONDS, Keyring, WrappedKey
from sealbook.sealing.scope import Scope


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(store: Store, provider: Provider, clock: Clock) -> Keyring:
    return Keyring(store, provider, clock=clock)


async def test_a_key_is_made_once(keyring: Keyring, store: Store, provider: Provider) -> None:
    made = (await keyring.for_scopes([ADA]))[ADA]
    assert len(made.secret) == 32
    other_process = Keyring(store, provider)
    assert (await other_process.for_scopes([ADA]))[ADA] == made
    assert len(store.keys) == len(provider.wrapped) == 1


async def test_every_scope_has_its_own_key(keyring: Keyring) -> None:
    scopes = [
        ADA,
        DAY,
        Scope("support", "day", "ada"),
        Scope("sales", "subject", "ada"),
        Scope("support", "index", ""),
    ]
    keys = await keyring.for_scopes(scopes)
    assert keys.keys() == set(scopes)
    assert len({key.secret for key in keys.values()}) == len(scopes)
    assert len({key.id for key in keys.values()}) == len(scopes)


async def test_a_set_of_scopes_costs_one_round_trip_and_then_none(
    keyring: Keyring, store: Store, provider: Provider
) -> None:
    scopes = [Scope("support", "subject", str(number)) for number in range(100)]
    await keyring.for_scopes(scopes)
    assert store.reads == 2  # look, make, look again
    await keyring.for_scopes(scopes)
    await keyring.for_scopes([*scopes, *scopes])
    assert (store.reads, provider.unwraps) == (2, 100)


async def test_what_is_cached_by_scope_is_cached_by_id(keyring: Keyring, store: Store) -> None:
    made = (await keyring.for_scopes([ADA]))[ADA]
    reads = store.reads
    assert await keyring.for_ids([made.id]) == {made.id: made}
    assert store.reads == reads


async def test_a_cached_key_expires(keyring: Keyring, provider: Provider, clock: Clock) -> None:
    made = await keyring.for_scopes([ADA])
    clock.now += CACHE_SECONDS - 0.001
    await keyring.for_scopes([ADA])
    assert provider.unwraps == 1
    clock.now += 0.001
    assert await keyring.for_scopes([ADA]) == made
    assert provider.unwraps == 2


async def test_an_expired_key_is_not_kept_in_memory(keyring: Keyring, clock: Clock) -> None:
    await keyring.for_scopes([ADA])
    clock.now += CACHE_SECONDS - 1
    made = (await keyring.for_scopes([DAY]))[DAY]
    clock.now += 1
    assert await keyring.existing(Scope("support", "subject", "nobody")) is None
    assert [key for _, key in keyring._cache.values()] == [made, made]


async def test_using_a_key_does_not_prolong_its_time(
    keyring: Keyring, provider: Provider, clock: Clock
) -> None:
    for _ in range(4):
        await keyring.for_scopes([ADA])
        clock.now += CACHE_SECONDS * 0.4
    assert provider.unwraps == 2


async def test_where_another_process_was_first_its_key_counts(
    provider: Provider, keyring: Keyring, store: Store
) -> None:
    theirs = (await keyring.for_scopes([ADA]))[ADA]
    ours = Keyring(SlowStore(list(store.keys.values())), provider)
    assert (await ours.for_scopes([ADA]))[ADA] == theirs
    assert (await ours.for_scopes([ADA]))[ADA] == theirs


async def test_a_destroyed_key_is_left_out(keyring: Keyring, store: Store) -> None:
    keys = await keyring.for_scopes([ADA, DAY])
    del store.keys[ADA]
    keyring.forget()
    assert await keyring.for_ids([key.id for key in keys.values()]) == {keys[DAY].id: keys[DAY]}


async def test_until_it_forgets_a_destroyed_key_is_known_for_five_minutes_at_most(
    keyring: Keyring, store: Store, clock: Clock
) -> None:
    made = (await keyring.for_scopes([ADA]))[ADA]
    store.keys.clear()
    assert made.id in await keyring.for_ids([made.id])
    clock.now += CACHE_SECONDS
    assert await keyring.for_ids([made.id]) == {}


async def test_after_a_destruction_the_scope_gets_a_new_key(keyring: Keyring, store: Store) -> None:
    before = (await keyring.for_scopes([ADA]))[ADA]
    store.keys.clear()
    keyring.forget()
    after = (await keyring.for_scopes([ADA]))[ADA]
    assert after.id != before.id
    assert after.secret != before.secret


async def test_the_cache_is_bounded(
    keyring: Keyring, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHE_KEYS", 10)
    scopes = [Scope("support", "subject", str(number)) for number in range(50)]
    assert len(await keyring.for_scopes(scopes)) == 50
    unwraps = provider.unwraps
    await keyring.for_scopes(scopes)
    assert provider.unwraps - unwraps == 45  # each of the five kept is known by scope and by id


async def test_a_wrapped_key_cannot_pose_as_another_scopes(
    keyring: Keyring, store: Store, provider: Provider
) -> None:
    await keyring.for_scopes([ADA])
    stolen = store.keys[ADA]
    store.keys[DAY] = WrappedKey(stolen.id, DAY, stolen.kek_id, stolen.wrapped)
    with pytest.raises(SealBroken):
        await Keyring(store, provider).for_scopes([DAY])


async def test_a_question_for_an_existing_key_makes_none(
    keyring: Keyring, store: Store, provider: Provider
) -> None:
    assert await keyring.existing(ADA) is None
    assert (store.keys, provider.wrapped) == ({}, {})
    # And it is not remembered that there was none.
    made = (await keyring.for_scopes([ADA]))[ADA]
    assert await keyring.existing(ADA) == made
    assert await keyring.existing(DAY) is None
    assert len(store.keys) == 1


async def test_an_existing_key_is_found_once_and_then_cached(
    keyring: Keyring, store: Store, provider: Provider, clock: Clock
) -> None:
    made = (await Keyring(store, provider).for_scopes([ADA]))[ADA]
    reads, unwraps = store.reads, provider.unwraps
    assert await keyring.existing(ADA) == await keyring.existing(ADA) == made
    assert await keyring.for_ids([made.id]) == {made.id: made}
    assert (store.reads - reads, provider.unwraps - unwraps) == (1, 1)
    clock.now += CACHE_SECONDS
    store.keys.clear()
    assert await keyring.existing(ADA) is None


async def test_asking_for_nothing_asks_nobody(keyring: Keyring, store: Store) -> None:
    assert await keyring.for_scopes([]) == {}
    assert await keyring.for_ids([]) == {}
    assert store.reads == 0


async def test_a_key_encryption_key_that_is_not_here_yet_is_waited_for_and_not_for_ever(
    keyring: Keyring, store: Store, provider: Provider, clock: Clock
) -> None:
    made = await Keyring(store, provider).for_scopes([ADA])
    here = dict(provider.wrapped)
    provider.wrapped.clear()
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"It is gone. It may be on its way here.") as caught:
            await keyring.for_scopes([ADA])
        assert caught.value.__suppress_context__
        clock.now += ARRIVAL_SECONDS - 0.001
        with pytest.raises(Unavailable):
            await keyring.for_ids([made[ADA].id])
        clock.now += 0.001
        with pytest.raises(KeyUnavailable):
            await keyring.existing(ADA)
        # Once it was here, it may be late once more.
        provider.wrapped |= here
        assert await keyring.for_scopes([ADA]) == made
        provider.wrapped.clear()
        clock.now += CACHE_SECONDS


@pytest.mark.parametrize("error", [Unavailable("away"), Misconfigured("no")])
@pytest.mark.parametrize("stored", [True, False])
async def test_readiness_asks_the_provider_only_after_it_failed(
    keyring: Keyring, store: Store, provider: Provider, error: SealbookError, stored: bool
) -> None:
    if stored:
        await Keyring(store, provider).for_scopes([ADA])
    provider.fails = error
    await keyring.check()
    with pytest.raises(type(error)):
        await keyring.for_scopes([ADA])
    with pytest.raises(type(error)):
        await keyring.check()
    provider.fails = None
    await keyring.check()
    provider.fails = error
    await keyring.check()
