"""Key-encryption keys in HashiCorp Vault's transit engine (OpenBao's is the same).

A data key travels there to be wrapped; the key-encryption key never leaves. Vault's key needs an
AEAD type (its default, `aes256-gcm96`), since wrappings are bound to their scope.
https://developer.hashicorp.com/vault/api-docs/secret/transit
"""

import asyncio
import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac  # type: ignore[import-untyped]
import requests
from hvac.exceptions import (  # type: ignore[import-untyped]
    Forbidden,
    InvalidPath,
    InvalidRequest,
    Unauthorized,
    VaultError,
)
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException, SSLError
from urllib3.util import Retry

from sealbook.errors import KeyUnavailable, Misconfigured, SealbookError, SealBroken, Unavailable
from sealbook.sealing.scope import PROBE

PREFIX = "vault:"
TIMEOUT_SECONDS = 5.0
RETRIES = 2
BACKOFF_SECONDS = 0.2
AT_ONCE = 8
_WRAPPED = re.compile(r"vault:(v[0-9]{1,9}):[A-Za-z0-9+/=]+")
_NAME = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"
_KEK_ID = re.compile(
    rf"vault:(?P<mount>{_NAME}(?:/{_NAME})*)/(?P<key>{_NAME}):(?P<version>v[0-9]{{1,9}})"
)
_GONE = ("not found", "too old", "too new", "no such key version", "soft-deleted")
_BROKEN = ("invalid ciphertext", "authentication failed")


@dataclass(frozen=True, slots=True)
class VaultKey:
    """Which key of which transit mount, at which Vault. `ca_file` tells whom to trust (PEM)."""

    url: str
    mount: str
    key: str
    ca_file: Path | None = None


class Vault:
    """A `KeyProvider` over one transit key; the key's older versions and other keys unwrap too."""

    at_once = AT_ONCE

    def __init__(self, at: VaultKey, token: Callable[[], str]) -> None:
        """`token` is called again when Vault refuses the one in use: agents renew token files."""
        self._at = at
        self._token = token
        self._client = _client(at, token())

    async def active(self) -> str:
        return (await self.wrap(bytes(32), PROBE))[0]

    async def wrap(self, secret: bytes, context: bytes) -> tuple[str, bytes]:
        mount, key = self._at.mount, self._at.key

        def encrypt() -> Any:
            return self._client.secrets.transit.encrypt_data(
                name=key,
                plaintext=_text(secret),
                associated_data=_text(context),
                mount_point=mount,
            )

        wrapped = _field(await self._ask(encrypt, key, _refused_wrap), "ciphertext")
        parts = _WRAPPED.fullmatch(wrapped)
        if parts is None:
            raise _odd_answer()
        return f"{PREFIX}{mount}/{key}:{parts[1]}", wrapped.encode()

    async def unwrap(self, kek_id: str, wrapped: bytes, context: bytes) -> bytes:
        parts = _KEK_ID.fullmatch(kek_id)
        if parts is None:
            raise KeyUnavailable(
                f"The key-encryption key {kek_id!r} is not one of Vault's.",
                remedy="Configure the provider that it belongs to beside Vault.",
            )
        if not wrapped.startswith(f"{PREFIX}{parts['version']}:".encode()):
            raise _broken(kek_id)

        def decrypt() -> Any:
            return self._client.secrets.transit.decrypt_data(
                name=parts["key"],
                ciphertext=wrapped.decode("ascii", "replace"),
                associated_data=_text(context),
                mount_point=parts["mount"],
            )

        answer = await self._ask(decrypt, kek_id, _refused_unwrap)
        return base64.b64decode(_field(answer, "plaintext"))

    async def _ask(
        self, call: Callable[[], Any], key: str, refused: Callable[[str, str], SealbookError]
    ) -> Any:
        try:
            return await asyncio.to_thread(self._with_fresh_token, call)
        except InvalidRequest as error:
            raise refused(key, _reason(error)) from None
        except (Forbidden, Unauthorized):
            raise _forbidden(key) from None
        except InvalidPath:
            raise _missing(self._at.mount, key) from None
        except SSLError:
            raise _distrusted(self._at.url) from None
        except (VaultError, RequestException) as error:
            raise _away(self._at.url, error) from None

    def _with_fresh_token(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Forbidden:
            token = self._token()
            if token == self._client.token:
                raise
            self._client.token = token
            return call()


def _client(at: VaultKey, token: str) -> Any:
    # Wrapping and unwrapping change nothing in Vault: any of them may be asked again.
    again = Retry(
        RETRIES,
        backoff_factor=BACKOFF_SECONDS,
        status_forcelist=(412, 429, 500, 502, 503),
        allowed_methods=None,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    session = requests.Session()
    session.mount(at.url, HTTPAdapter(max_retries=again, pool_maxsize=AT_ONCE))
    session.verify = str(at.ca_file) if at.ca_file else True
    # Neither proxies of the environment nor a redirect may lead the token elsewhere.
    session.trust_env = False
    return hvac.Client(
        url=at.url, token=token, timeout=TIMEOUT_SECONDS, session=session, allow_redirects=False
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _field(answer: Any, name: str) -> str:
    try:
        value = answer["data"][name]
    except (TypeError, KeyError):
        raise _odd_answer() from None
    if not isinstance(value, str):
        raise _odd_answer()
    return value


def _reason(error: Any) -> str:
    return "; ".join(map(str, error.errors or ()))[:200]


def _refused_wrap(key: str, reason: str) -> SealbookError:
    return Misconfigured(
        f"Vault does not wrap under the key {key!r}: {reason}.",
        remedy="See that SEALBOOK_VAULT_KEY names a key of type aes256-gcm96, not derived.",
    )


def _refused_unwrap(kek_id: str, reason: str) -> SealbookError:
    if any(words in reason for words in _GONE):
        return KeyUnavailable(
            f"Vault has the key-encryption key {kek_id!r} no more: {reason}.",
            remedy="Restore the key, or lower its `min_decryption_version`.",
        )
    if any(words in reason for words in _BROKEN):
        return _broken(kek_id)
    return Misconfigured(
        f"Vault does not unwrap under {kek_id!r}: {reason}.",
        remedy="See that the key is of type aes256-gcm96, not derived.",
    )


def _broken(kek_id: str) -> SealBroken:
    return SealBroken(
        f"A data key wrapped under {kek_id!r} does not authenticate.",
        remedy="Treat it as tampering with the keyring: compare it with a backup.",
    )


def _forbidden(key: str) -> Misconfigured:
    return Misconfigured(
        f"Vault does not let this token use the key {key!r}, or there is no such key.",
        remedy="Let its policy `update` transit/encrypt/KEY and transit/decrypt/KEY; see that the "
        "token in SEALBOOK_VAULT_TOKEN has not expired.",
    )


def _missing(mount: str, key: str) -> Misconfigured:
    return Misconfigured(
        f"Vault has no transit engine at {mount!r} for the key {key!r}.",
        remedy="Run `vault secrets enable transit`, or correct SEALBOOK_VAULT_MOUNT.",
    )


def _distrusted(url: str) -> Misconfigured:
    return Misconfigured(
        f"The certificate of Vault at {url} is not trusted.",
        remedy="Name the authority's certificate in SEALBOOK_VAULT_CA_FILE.",
    )


def _away(url: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"Vault at {url} does not answer ({type(error).__name__}).",
        remedy="See that it runs, is unsealed, and can be reached from here.",
    )


def _odd_answer() -> Misconfigured:
    return Misconfigured(
        "What answers at SEALBOOK_VAULT_URL is not Vault's transit engine.",
        remedy="Name the active node or its load balancer: redirects are not followed.",
    )
