"""Settings from `SEALBOOK_…` environment variables or files of the secrets folder; read once.

A file `sealbook_nats_password` in the folder named by SEALBOOK_SECRETS_DIR says the same as the
variable SEALBOOK_NATS_PASSWORD. Secrets belong in files.
"""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from sealbook.errors import Misconfigured
from sealbook.stream.bus import BusAddress


def _listed(value: object) -> object:
    return (
        tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value
    )


NameList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
"""Names with commas between."""


class Settings(BaseSettings):
    """What a service needs to know about its surroundings."""

    model_config = SettingsConfigDict(env_prefix="SEALBOOK_", extra="ignore", frozen=True)

    nats_url: str = "nats://127.0.0.1:4222"
    nats_user: str | None = None
    nats_password: SecretStr | None = None
    database_url: SecretStr = SecretStr("")
    s3_endpoint: str = "127.0.0.1:9000"
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    s3_bucket: str = "sealbook"
    s3_secure: bool = False
    inline_payload_bytes: int = Field(default=65_536, ge=0)
    key_provider: Literal["file", "vault", "aws-kms"] = "file"
    key_file: Path | None = None
    vault_url: str = ""
    vault_token: SecretStr = SecretStr("")
    vault_mount: str = "transit"
    vault_key: str = ""
    vault_ca_file: Path | None = None
    kms_key_id: str = ""
    kms_region: str = ""
    kms_endpoint_url: str | None = None
    allowed_hosts: NameList = ()
    compress: bool = True
    policy_file: Path | None = None
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535)
    log_level: str = "INFO"

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """From the environment and the secrets folder. Raises Misconfigured."""
        folder = folder or _secrets_folder()
        if folder is not None and not folder.is_dir():
            raise Misconfigured(
                f"The secrets folder {folder} does not exist.",
                remedy="Make it with `sealbook secrets`, or correct SEALBOOK_SECRETS_DIR.",
            )
        try:
            return cls(_secrets_dir=folder)
        except ValidationError as error:
            fields = ", ".join(
                f"SEALBOOK_{str(problem['loc'][0]).upper()} ({problem['msg']})"
                for problem in error.errors(include_input=False, include_url=False)
            )
            raise Misconfigured(
                f"These settings do not fit: {fields}.",
                remedy="docs/settings.md lists every setting.",
            ) from None

    @property
    def bus(self) -> BusAddress:
        password = self.nats_password.get_secret_value() if self.nats_password else None
        return BusAddress(self.nats_url, self.nats_user, password)


def _secrets_folder() -> Path | None:
    named = os.environ.get("SEALBOOK_SECRETS_DIR")
    return Path(named) if named else None
