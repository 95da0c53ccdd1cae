"""Key-encryption keys in AWS KMS.

A data key travels there to be wrapped; the key-encryption key never leaves. The scope is KMS's
encryption context, so that key policies can tell projects apart and CloudTrail names them.
https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
)

from sealbook.errors import KeyUnavailable, Misconfigured, SealbookError, SealBroken, Unavailable
from sealbook.sealing.scope import PROBE, context_fields

PREFIX = "aws-kms:"
TIMEOUT_SECONDS = 5.0
ATTEMPTS = 3
AT_ONCE = 8
_BROKEN = ("InvalidCiphertextException", "IncorrectKeyException")
_GONE = ("NotFoundException", "DisabledException", "KMSInvalidStateException")
_LATER = (
    *("ThrottlingException", "LimitExceededException", "KMSInternalException"),
    *("DependencyTimeoutException", "KeyUnavailableException"),
)


@dataclass(frozen=True, slots=True)
class KmsKey:
    """Which key in which region; `key_id` is an id, an ARN or an alias. `endpoint_url` only where
    KMS is not at AWS's own address."""

    key_id: str
    region: str
    endpoint_url: str | None = None


class AwsKms:
    """A `KeyProvider` over one KMS key; other keys of the region unwrap what they wrapped."""

    at_once = AT_ONCE

    def __init__(self, at: KmsKey) -> None:
        """Credentials are found as AWS's own tools find them."""
        self._at = at
        self._client = _client(at)

    async def active(self) -> str:
        return (await self.wrap(bytes(32), PROBE))[0]

    async def wrap(self, secret: bytes, context: bytes) -> tuple[str, bytes]:
        def encrypt() -> Any:
            return self._client.encrypt(
                KeyId=self._at.key_id, Plaintext=secret, EncryptionContext=context_fields(context)
            )

        answer = await self._ask(encrypt, self._at.key_id, _refused)
        return f"{PREFIX}{answer['KeyId']}", bytes(answer["CiphertextBlob"])

    async def unwrap(self, kek_id: str, wrapped: bytes, context: bytes) -> bytes:
        if not kek_id.startswith(PREFIX):
            raise KeyUnavailable(
                f"The key-encryption key {kek_id!r} is not one of AWS KMS.",
                remedy="Configure the provider that it belongs to beside AWS KMS.",
            )

        def decrypt() -> Any:
            return self._client.decrypt(
                KeyId=kek_id.removeprefix(PREFIX),
                CiphertextBlob=wrapped,
                EncryptionContext=context_fields(context),
            )

        answer = await self._ask(decrypt, kek_id, _refused_unwrap)
        return bytes(answer["Plaintext"])

    async def _ask(
        self, call: Callable[[], Any], key: str, refused: Callable[[str, str], SealbookError]
    ) -> Any:
        try:
            return await asyncio.to_thread(call)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in _LATER or status >= 500:
                raise self._away(code) from None
            raise refused(key, code) from None
        except (NoCredentialsError, CredentialRetrievalError):
            raise Misconfigured(
                "There are no credentials for AWS KMS.",
                remedy="Give the service a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
            ) from None
        except BotoCoreError as error:
            raise self._away(type(error).__name__) from None

    def _away(self, reason: str) -> Unavailable:
        at = self._at.endpoint_url or self._at.region
        return Unavailable(
            f"AWS KMS at {at} does not answer ({reason}).",
            remedy="See that it can be reached from here, and its request quota.",
        )


def _client(at: KmsKey) -> Any:
    # A session of our own: the default one is shared by everything in the process.
    return boto3.session.Session().client(
        "kms",
        region_name=at.region,
        endpoint_url=at.endpoint_url,
        config=Config(
            connect_timeout=TIMEOUT_SECONDS,
            read_timeout=TIMEOUT_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            max_pool_connections=AT_ONCE,
            # Data keys go where our settings say, which are checked, and nowhere else.
            ignore_configured_endpoint_urls=True,
        ),
    )


def _refused(key: str, code: str) -> SealbookError:
    return Misconfigured(
        f"AWS KMS does not let this role use the key {key!r} ({code}).",
        remedy="Correct SEALBOOK_KMS_KEY_ID and SEALBOOK_KMS_REGION; allow kms:Encrypt and "
        "kms:Decrypt on the key.",
    )


def _refused_unwrap(kek_id: str, code: str) -> SealbookError:
    if code in _BROKEN:
        return SealBroken(
            f"A data key wrapped under {kek_id!r} does not authenticate.",
            remedy="Treat it as tampering with the keyring: compare it with a backup.",
        )
    if code in _GONE:
        return KeyUnavailable(
            f"AWS KMS does not have the key-encryption key {kek_id!r} any more ({code}).",
            remedy="Enable the key, or cancel its deletion.",
        )
    return _refused(kek_id, code)
