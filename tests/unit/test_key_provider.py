"""Who holds the key-encryption keys, as the settings say; and moving from one to another."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from key_servers import FakeKms, FakeVault, arn, served

from sealbook.errors import KeyUnavailable, Misconfigured, Unavailable
from sealbook.runtime import key_provider as module
from sealbook.runtime.key_provider import key_provider
from sealbook.runtime.settings import Settings
from sealbook.sealing import vault as vault_module
from sealbook.sealing.key_file import create_key_file, read_keys
from sealbook.sealing.scope import Scope

SECRET = b"s" * 32
CONTEXT = Scope("support", "subject", "ada").context(UUID(int=1))
TOKEN = "canary-7f3a"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith(("SEALBOOK_", "AWS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setattr(vault_module, "BACKOFF_SECONDS", 0.01)
    # The token is in a file of the secrets folder, and read from there again.
    (tmp_path / "sealbook_vault_token").write_text(TOKEN)
    monkeypatch.setenv("SEALBOOK_SECRETS_DIR", str(tmp_path))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    create_key_file(tmp_path / "kek.json")
    return tmp_path / "kek.json"


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    with served(fake := FakeVault(TOKEN)):
        yield fake


@pytest.fixture
def kms() -> Iterator[FakeKms]:
    with served(fake := FakeKms()):
        yield fake


def load(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Settings:
    for name, value in settings.items():
        monkeypatch.setenv(f"SEALBOOK_{name.upper()}", str(value))
    return Settings.load()


def vault_settings(server: FakeVault, **more: Any) -> dict[str, Any]:
    at = {"vault_url": server.url, "vault_key": "sealbook", "allowed_hosts": "127.0.0.1"}
    return {"key_provider": "vault"} | at | more


def kms_settings(server: FakeKms, **more: Any) -> dict[str, Any]:
    at = {"kms_key_id": "alias/sealbook", "kms_region": "eu-central-1"}
    where = {"kms_endpoint_url": server.url, "allowed_hosts": "127.0.0.1"}
    return {"key_provider": "aws-kms"} | at | where | more


async def test_without_anything_said_it_is_the_key_file(
    monkeypatch: pytest.MonkeyPatch, key_file: Path
) -> None:
    keys = await key_provider(load(monkeypatch, key_file=key_file))
    assert await keys.active() == read_keys(key_file).active
    assert keys.at_once == 1


async def test_vault_is_asked_with_the_token_of_the_secrets_folder(
    monkeypatch: pytest.MonkeyPatch, vault: FakeVault, tmp_path: Path
) -> None:
    keys = await key_provider(load(monkeypatch, **vault_settings(vault)))
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    assert kek_id == "vault:transit/sealbook:v1"
    assert keys.at_once > 1
    vault.token = "renewed"
    (tmp_path / "sealbook_vault_token").write_text("renewed\n")
    assert await keys.unwrap(kek_id, wrapped, CONTEXT) == SECRET


async def test_aws_kms_is_asked(monkeypatch: pytest.MonkeyPatch, kms: FakeKms) -> None:
    keys = await key_provider(load(monkeypatch, **kms_settings(kms)))
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    assert kek_id == f"aws-kms:{arn('11111111')}"
    assert await keys.unwrap(kek_id, wrapped, CONTEXT) == SECRET


async def test_what_another_provider_wrapped_unwraps_while_it_is_set_up_too(
    monkeypatch: pytest.MonkeyPatch, key_file: Path, vault: FakeVault, kms: FakeKms
) -> None:
    everything = kms_settings(kms) | vault_settings(vault, key_file=key_file)
    wrapped = {}
    for name in ("file", "vault", "aws-kms"):
        keys = await key_provider(load(monkeypatch, **everything | {"key_provider": name}))
        wrapped[name] = await keys.wrap(SECRET, CONTEXT)
    for name in wrapped:
        keys = await key_provider(load(monkeypatch, **everything | {"key_provider": name}))
        assert await keys.active() == wrapped[name][0]
        for one in wrapped.values():
            assert await keys.unwrap(*one, CONTEXT) == SECRET


async def test_what_a_provider_wrapped_that_is_set_up_no_more_names_it(
    monkeypatch: pytest.MonkeyPatch, key_file: Path
) -> None:
    keys = await key_provider(load(monkeypatch, key_file=key_file))
    with pytest.raises(KeyUnavailable, match="not set up") as caught:
        await keys.unwrap("vault:transit/sealbook:v1", b"vault:v1:AAAA", CONTEXT)
    assert "'vault'" in caught.value.remedy


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, "No key file is configured"),
        ({"key_file": "/nowhere/kek.json"}, "/nowhere/kek.json cannot be read"),
        ({"key_provider": "vault"}, "SEALBOOK_VAULT_URL, SEALBOOK_VAULT_KEY"),
        ({"key_provider": "aws-kms"}, "SEALBOOK_KMS_KEY_ID, SEALBOOK_KMS_REGION"),
    ],
)
async def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], missing: str
) -> None:
    with pytest.raises(Misconfigured, match=missing):
        await key_provider(load(monkeypatch, **settings))


async def test_what_is_half_set_up_beside_the_chosen_one_is_named_too(
    monkeypatch: pytest.MonkeyPatch, key_file: Path
) -> None:
    half = load(monkeypatch, key_file=key_file, vault_url="https://vault.example")
    with pytest.raises(Misconfigured, match="SEALBOOK_VAULT_KEY"):
        await key_provider(half)


@pytest.mark.parametrize("name", ["VAULT_URL", "KMS_ENDPOINT_URL"])
async def test_a_private_address_that_is_not_listed_is_refused(
    monkeypatch: pytest.MonkeyPatch, vault: FakeVault, kms: FakeKms, name: str
) -> None:
    asked = vault_settings(vault) if name == "VAULT_URL" else kms_settings(kms)
    with pytest.raises(Misconfigured, match=f"SEALBOOK_{name}: The URL at '127.0.0.1' is plain"):
        await key_provider(load(monkeypatch, **asked | {"allowed_hosts": "vault.example"}))
    secure = {"vault_url": "https://127.0.0.1:1", "kms_endpoint_url": "https://127.0.0.1:1"}
    with pytest.raises(Misconfigured, match=f"SEALBOOK_{name}: The host '127.0.0.1' has"):
        await key_provider(load(monkeypatch, **asked | secure | {"allowed_hosts": ""}))
    assert vault.requests == kms.requests == []


async def test_a_provider_that_refuses_keeps_the_service_from_starting(
    monkeypatch: pytest.MonkeyPatch, vault: FakeVault
) -> None:
    with pytest.raises(Misconfigured, match="'nobodys'") as caught:
        await key_provider(load(monkeypatch, **vault_settings(vault, vault_key="nobodys")))
    assert TOKEN not in str(caught.value)
    vault.sealed = True
    with pytest.raises(Unavailable, match="Vault"):
        await key_provider(load(monkeypatch, **vault_settings(vault)))


async def test_a_provider_that_only_wraps_keeps_the_service_from_starting(
    monkeypatch: pytest.MonkeyPatch, vault: FakeVault
) -> None:
    """What it sealed then, it could not even use itself."""

    async def forbidden(*_: object) -> bytes:
        raise Misconfigured("Vault does not let this token use the key 'sealbook'.")

    monkeypatch.setattr(vault_module.Vault, "unwrap", forbidden)
    with pytest.raises(Misconfigured, match="does not let this token"):
        await key_provider(load(monkeypatch, **vault_settings(vault)))


async def test_a_library_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, vault: FakeVault
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'hvac'", name="hvac")

    monkeypatch.setattr(module, "import_module", missing)
    with pytest.raises(Misconfigured, match="The library 'hvac' is not installed") as caught:
        await key_provider(load(monkeypatch, **vault_settings(vault)))
    assert "sealbook[vault]" in caught.value.remedy
