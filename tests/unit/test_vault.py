"""Data keys wrapped by Vault's transit engine, through the real client library."""

import asyncio
import base64
import logging
import socket
from collections.abc import Iterator
from uuid import UUID

import pytest
from key_servers import FakeVault, served

from sealbook.errors import KeyUnavailable, Misconfigured, SealbookError, SealBroken, Unavailable
from sealbook.sealing import vault as module
from sealbook.sealing.scope import Scope
from sealbook.sealing.vault import Vault, VaultKey

SECRET = b"s" * 32
CONTEXT = Scope("support", "subject", "ada").context(UUID(int=1))
TOKEN = "t-1"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(module, "BACKOFF_SECONDS", 0.01)


@pytest.fixture
def server() -> Iterator[FakeVault]:
    fake = FakeVault(TOKEN)
    with served(fake):
        yield fake


def vault(server: FakeVault, *, key: str = "sealbook", mount: str = "transit") -> Vault:
    return Vault(VaultKey(server.url, mount, key), lambda: TOKEN)


async def refusal(of: Vault, kek_id: str, wrapped: bytes, context: bytes) -> SealbookError:
    with pytest.raises(SealbookError) as caught:
        await of.unwrap(kek_id, wrapped, context)
    assert base64.b64encode(SECRET).decode() not in str(caught.value)
    assert TOKEN not in str(caught.value)
    return caught.value


async def test_what_is_wrapped_unwraps_and_tells_the_keys_version(server: FakeVault) -> None:
    keys = vault(server)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    assert kek_id == "vault:transit/sealbook:v1" == await keys.active()
    assert wrapped.startswith(b"vault:v1:")
    assert SECRET not in base64.b64decode(wrapped.rpartition(b":")[2])
    assert await vault(server).unwrap(kek_id, wrapped, CONTEXT) == SECRET


async def test_after_a_rotation_the_old_version_still_unwraps(server: FakeVault) -> None:
    keys = vault(server)
    old, wrapped = await keys.wrap(SECRET, CONTEXT)
    server.rotate()
    assert await keys.active() == "vault:transit/sealbook:v2"
    assert (await keys.wrap(SECRET, CONTEXT))[0] == "vault:transit/sealbook:v2"
    assert await keys.unwrap(old, wrapped, CONTEXT) == SECRET


async def test_a_key_of_another_name_or_mount_still_unwraps(server: FakeVault) -> None:
    old, wrapped = await vault(server).wrap(SECRET, CONTEXT)
    server.rotate("next")
    keys = vault(server, key="next")
    assert await keys.active() == "vault:transit/next:v1"
    assert await keys.unwrap(old, wrapped, CONTEXT) == SECRET


async def test_a_mount_may_be_a_path() -> None:
    with served(server := FakeVault(TOKEN, mount="teams/one/transit")):
        keys = vault(server, mount="teams/one/transit")
        kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
        assert kek_id == "vault:teams/one/transit/sealbook:v1"
        assert await keys.unwrap(kek_id, wrapped, CONTEXT) == SECRET


async def test_a_wrapping_is_bound_to_its_scope(server: FakeVault) -> None:
    keys = vault(server)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    elsewhere = Scope("sales", "subject", "ada").context(UUID(int=1))
    assert type(await refusal(keys, kek_id, wrapped, elsewhere)) is SealBroken


async def test_every_altered_byte_of_a_wrapping_is_refused(server: FakeVault) -> None:
    keys = vault(server)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    sealed = base64.b64decode(wrapped.rpartition(b":")[2])
    for at in range(len(sealed)):
        altered = bytearray(sealed)
        altered[at] ^= 1
        text = b"vault:v1:" + base64.b64encode(bytes(altered))
        assert type(await refusal(keys, kek_id, text, CONTEXT)) is SealBroken


@pytest.mark.parametrize(
    "wrapped", [b"", b"vault:v2:AAAA", b"vault:v1:", b"vault:v1:!", b"vault:v1:AA", b"\xff\xfe"]
)
async def test_what_vault_never_wrapped_is_broken(server: FakeVault, wrapped: bytes) -> None:
    error = await refusal(vault(server), "vault:transit/sealbook:v1", wrapped, CONTEXT)
    assert type(error) is SealBroken


async def test_a_version_that_was_retired_is_named(server: FakeVault) -> None:
    keys = vault(server)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    server.rotate()
    server.oldest["sealbook"] = 2
    error = await refusal(keys, kek_id, wrapped, CONTEXT)
    assert type(error) is KeyUnavailable
    assert "vault:transit/sealbook:v1" in error.message
    assert "min_decryption_version" in error.remedy


@pytest.mark.parametrize(
    "kek_id",
    [
        "local-0011",
        "aws-kms:arn:aws:kms:x:1:key/k",
        "vault:transit/gone:v1",
        "vault:../sys/sealbook:v1",
        "vault:transit/..:v1",
        "vault:transit/sealbook:vx",
        "",
    ],
)
async def test_a_key_that_vault_does_not_have_is_named(server: FakeVault, kek_id: str) -> None:
    error = await refusal(vault(server), kek_id, b"vault:v1:AAAA", CONTEXT)
    assert type(error) is KeyUnavailable
    assert repr(kek_id) in error.message
    asked = [path for path, _ in server.requests]
    assert asked in ([], ["/v1/transit/decrypt/gone"])


async def test_a_key_that_may_not_be_used_is_named_with_what_to_do(server: FakeVault) -> None:
    with pytest.raises(Misconfigured, match="does not let this token use the key 'nobodys'") as it:
        await vault(server, key="nobodys").active()
    assert "transit/encrypt/KEY" in it.value.remedy


async def test_a_key_of_the_wrong_kind_is_named(server: FakeVault) -> None:
    server.failures = [(400, {"errors": ["associated_data provided for non-AEAD cipher suite"]})]
    with pytest.raises(Misconfigured, match=r"does not wrap under the key 'sealbook'.*non-AEAD"):
        await vault(server).active()


async def test_a_missing_mount_is_named(server: FakeVault) -> None:
    with pytest.raises(Misconfigured, match="no transit engine at 'elsewhere'"):
        await vault(server, mount="elsewhere").active()


async def test_a_token_that_was_renewed_is_taken(server: FakeVault) -> None:
    tokens = iter(["t-1", "t-2", "t-2"])
    keys = Vault(VaultKey(server.url, "transit", "sealbook"), lambda: next(tokens))
    await keys.active()
    server.token = "t-2"
    assert await keys.active() == "vault:transit/sealbook:v1"
    server.token = "t-3"
    with pytest.raises(Misconfigured, match="does not let this token"):
        await keys.active()


async def test_a_sealed_vault_is_waited_for(server: FakeVault) -> None:
    keys = vault(server)
    server.failures = [(503, {"errors": ["Vault is sealed"]})] * 2
    assert await keys.active() == "vault:transit/sealbook:v1"
    server.sealed = True
    before = len(server.requests)
    with pytest.raises(Unavailable, match=f"Vault at {server.url} does not answer") as caught:
        await keys.active()
    assert caught.value.retryable
    assert len(server.requests) - before == 1 + module.RETRIES


@pytest.mark.parametrize("status", [412, 429, 500, 502])
async def test_a_passing_trouble_passes(server: FakeVault, status: int) -> None:
    keys = vault(server)
    server.failures = [(status, {"errors": ["later"]})]
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    server.failures = [(status, {"errors": ["later"]})]
    assert await keys.unwrap(kek_id, wrapped, CONTEXT) == SECRET


async def test_nobody_at_the_address_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    keys = Vault(VaultKey(f"http://127.0.0.1:{port}", "transit", "sealbook"), lambda: TOKEN)
    with pytest.raises(Unavailable, match="does not answer"):
        await keys.active()


async def test_a_silent_server_is_given_up_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        keys = Vault(VaultKey(url, "transit", "sealbook"), lambda: TOKEN)
        async with asyncio.timeout(10):
            with pytest.raises(Unavailable):
                await keys.active()


async def test_a_redirect_is_not_followed(server: FakeVault) -> None:
    with served(elsewhere := FakeVault(TOKEN)):
        keys = vault(server)
        to = f"{elsewhere.url}/v1/transit/encrypt/sealbook"
        server.failures = [(307, {"location": to})]
        with pytest.raises(Misconfigured, match="redirects are not followed"):
            await keys.active()
        assert elsewhere.requests == []


@pytest.mark.parametrize("answer", [{}, {"data": {}}, {"data": {"ciphertext": 7}}, {"data": []}])
async def test_what_is_not_vault_is_said_to_be_none(
    server: FakeVault, answer: dict[str, object]
) -> None:
    keys = vault(server)
    server.failures = [(200, answer)]
    with pytest.raises(Misconfigured, match="is not Vault's transit engine"):
        await keys.active()


async def test_many_keys_at_a_time_share_one_client(
    server: FakeVault, caplog: pytest.LogCaptureFixture
) -> None:
    keys = vault(server)
    with caplog.at_level(logging.WARNING):
        wrapped = await asyncio.gather(*(keys.wrap(bytes([n]) * 32, CONTEXT) for n in range(50)))
        opened = await asyncio.gather(*(keys.unwrap(*one, CONTEXT) for one in wrapped))
    assert opened == [bytes([n]) * 32 for n in range(50)]
    assert caplog.records == []  # of a pool that is too small, for example
