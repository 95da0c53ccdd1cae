"""The secrets of a deployment: one folder for each service, each file one setting, mode 0600.

    DIR/nats/auth.conf, encryption.conf (to be included), encryption_key
    DIR/postgres/password     DIR/s3/access_key, secret_key
    DIR/<service>/sealbook_nats_user, sealbook_nats_password, sealbook_database_url, …
    DIR/keys/kek.json                         the key-encryption keys: keep a copy elsewhere
    DIR/actors/<actor>                        that actor's password

A service mounts its own folder (and the keys, if it seals or opens) and nothing else.
"""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sealbook.contract import subjects
from sealbook.provision.permissions import (
    FIXED,
    PROVISIONER,
    SERVICES,
    actor,
    render,
)
from sealbook.sealing.key_file import create_key_file

DATABASE_USERS = tuple(user.name for user in SERVICES)
OBJECT_USERS = ("ingest", "review", "export")
"""Services that write or read objects of S3: ingest large payloads, export files, review reads."""
PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the servers are, as the services see them."""

    nats_url: str = "nats://nats:4222"
    database: str = "postgres:5432/sealbook"
    superuser: str = "sealbook"
    s3_endpoint: str = "minio:9000"


class Secrets:
    """A folder of secrets; what exists is kept, what is missing is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, surroundings: Surroundings, actors: Sequence[str]) -> None:
        """Write everything; passwords and keys only where there are none yet."""
        self._make_folder(self.folder)
        self._make_keys()
        superuser_password = self.password("postgres", "password")
        self._write_s3()
        store_key = self.password("nats", "encryption_key")
        self._write("nats", "encryption.conf", f'key: "{store_key}"\n')
        for user in SERVICES:
            self._write_service(user.name, surroundings)
        self._write_provisioner(surroundings, superuser_password)
        self._write("nats", "auth.conf", self.authorization(actors))

    def authorization(self, actors: Sequence[str]) -> str:
        """The `authorization` block of the NATS configuration: everyone who may connect, the
        actors of earlier times included. To shut one out, remove its file."""
        pairs = [(user, self.password(user.name, "sealbook_nats_password")) for user in FIXED]
        names = {*actors, *(path.name for path in (self.folder / "actors").glob("*"))}
        pairs += [(actor(name), self.password("actors", name)) for name in sorted(names)]
        return render(pairs)

    @property
    def key_file(self) -> Path:
        return self.folder / "keys" / "kek.json"

    def keep(self, folder: str, name: str, value: str) -> None:
        """Store a secret that somebody else chose."""
        self._write(folder, name, value)

    def password(self, folder: str, name: str) -> str:
        """The password in a file; made when there is none."""
        path = self.folder / folder / name
        if not path.exists():
            self._write(folder, name, secrets.token_urlsafe(PASSWORD_BYTES))
        return path.read_text()

    def database_password(self, service: str) -> str:
        """The password of a service's database role."""
        return self.password(service, "database_password")

    def _write_service(self, name: str, at: Surroundings) -> None:
        password = self.database_password(name)
        self._write(name, "sealbook_nats_url", at.nats_url)
        self._write(name, "sealbook_nats_user", name)
        self._write(name, "sealbook_database_url", f"postgresql://{name}:{password}@{at.database}")
        if name in OBJECT_USERS:
            self._copy_s3(name, at)

    def _write_provisioner(self, at: Surroundings, password: str) -> None:
        name = PROVISIONER.name
        self._write(name, "sealbook_nats_url", at.nats_url)
        self._write(name, "sealbook_nats_user", name)
        url = f"postgresql://{at.superuser}:{password}@{at.database}"
        self._write(name, "sealbook_database_url", url)
        self._copy_s3(name, at)

    def _write_s3(self) -> None:
        self.password("s3", "access_key")
        self.password("s3", "secret_key")

    def _copy_s3(self, name: str, at: Surroundings) -> None:
        self._write(name, "sealbook_s3_endpoint", at.s3_endpoint)
        self._write(name, "sealbook_s3_access_key", self.password("s3", "access_key"))
        self._write(name, "sealbook_s3_secret_key", self.password("s3", "secret_key"))

    def _make_keys(self) -> None:
        if not self.key_file.exists():
            self._make_folder(self.key_file.parent)
            create_key_file(self.key_file)

    def _write(self, folder: str, name: str, content: str) -> None:
        path = self.folder / subjects.token("folder", folder) / name
        self._make_folder(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)

    def _make_folder(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
