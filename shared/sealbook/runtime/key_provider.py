"""Who holds the key-encryption keys: the file, Vault or AWS KMS, as the settings say."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from sealbook.errors import KeyUnavailable, Misconfigured
from sealbook.runtime.outbound import check_setting
from sealbook.runtime.settings import Settings
from sealbook.sealing.key_file import KeyFile
from sealbook.sealing.keyring import KeyProvider, try_out

Holder = Literal["file", "vault", "aws-kms"]


async def key_provider(settings: Settings) -> KeyProvider:
    """The provider that is chosen; others that are set up beside it unwrap what they wrapped.

    Raises:
        Misconfigured: a setting or a library is missing, or the chosen provider refuses.
        Unavailable: the chosen provider does not answer.
    """
    holders = dict.fromkeys([settings.key_provider, *_set_up(settings)])
    providers = {holder: await _MAKERS[holder](settings) for holder in holders}
    chosen = providers[settings.key_provider]
    # A service must not start, and take submissions, before it can seal and open.
    await try_out(chosen)
    return Providers(chosen, providers)


@dataclass(frozen=True, slots=True)
class Providers:
    """A `KeyProvider` that wraps with one and unwraps with whichever wrapped: so a rotation moves
    all data keys from one provider to another."""

    chosen: KeyProvider
    every: Mapping[Holder, KeyProvider]

    @property
    def at_once(self) -> int:
        return max(provider.at_once for provider in self.every.values())

    async def active(self) -> str:
        return await self.chosen.active()

    async def wrap(self, secret: bytes, context: bytes) -> tuple[str, bytes]:
        return await self.chosen.wrap(secret, context)

    async def unwrap(self, kek_id: str, wrapped: bytes, context: bytes) -> bytes:
        holder = _holder(kek_id)
        if holder not in self.every:
            raise KeyUnavailable(
                f"The key-encryption key {kek_id!r} belongs to a provider that is not set up.",
                remedy=f"Set up {holder!r} too, beside the chosen one; see docs/sealing.md.",
            )
        return await self.every[holder].unwrap(kek_id, wrapped, context)


def _holder(kek_id: str) -> Holder:
    if kek_id.startswith("vault:"):
        return "vault"
    return "aws-kms" if kek_id.startswith("aws-kms:") else "file"


def _set_up(settings: Settings) -> list[Holder]:
    told: dict[Holder, object] = {
        "file": settings.key_file,
        "vault": settings.vault_url,
        "aws-kms": settings.kms_key_id,
    }
    return [holder for holder, value in told.items() if value]


async def _file(settings: Settings) -> KeyProvider:
    if settings.key_file is None:
        raise Misconfigured(
            "No key file is configured.",
            remedy="Make one with `sealbook keys init`, and set SEALBOOK_KEY_FILE.",
        )
    return KeyFile(settings.key_file)


async def _vault(settings: Settings) -> KeyProvider:
    _require(settings, "vault_url", "vault_token", "vault_key")
    await check_setting("SEALBOOK_VAULT_URL", settings.vault_url, settings.allowed_hosts)
    module = _library("vault")
    at = module.VaultKey(
        settings.vault_url, settings.vault_mount, settings.vault_key, settings.vault_ca_file
    )
    provider: KeyProvider = module.Vault(at, _vault_token)
    return provider


def _vault_token() -> str:
    """The newest one: an agent may have written another file since."""
    return Settings.load().vault_token.get_secret_value()


async def _aws_kms(settings: Settings) -> KeyProvider:
    _require(settings, "kms_key_id", "kms_region")
    url = settings.kms_endpoint_url
    if url is not None:
        # AWS's own addresses need no check: they are private inside a VPC, and rightly so.
        await check_setting("SEALBOOK_KMS_ENDPOINT_URL", url, settings.allowed_hosts)
    module = _library("aws_kms", extra="aws")
    at = module.KmsKey(settings.kms_key_id, settings.kms_region, url)
    provider: KeyProvider = module.AwsKms(at)
    return provider


_MAKERS = {"file": _file, "vault": _vault, "aws-kms": _aws_kms}


def _library(name: str, *, extra: str | None = None) -> Any:
    """The provider's module: its library is an extra, and heavy."""
    try:
        return import_module(f"sealbook.sealing.{name}")
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"The library {error.name!r} is not installed.",
            remedy=f"Install `sealbook[{extra or name}]`.",
        ) from None


def _require(settings: Settings, *names: str) -> None:
    missing = [f"SEALBOOK_{name.upper()}" for name in names if not getattr(settings, name)]
    if missing:
        raise Misconfigured(
            f"These settings are missing: {', '.join(missing)}.",
            remedy="docs/settings.md lists every setting.",
        )
