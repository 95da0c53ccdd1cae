"""Secrets: for their owner only, made once, kept for good, each service its own folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealbook.errors import InvalidInput
from sealbook.provision.secrets import Secrets, Surroundings
from sealbook.runtime.settings import Settings
from sealbook.sealing.key_file import KeyFile

SERVICES = ("ingest", "review", "rollup", "export")


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The widest umask: modes must be right whatever the machine's habit."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    made = Secrets(tmp_path / "secrets")
    made.make(Surroundings(), ["alice"])
    return made


def contents(secrets: Secrets) -> dict[str, bytes]:
    files = (path for path in secrets.folder.rglob("*") if path.is_file())
    return {str(path.relative_to(secrets.folder)): path.read_bytes() for path in files}


def test_files_and_folders_are_for_their_owner_only(secrets: Secrets) -> None:
    files = [path for path in secrets.folder.rglob("*") if path.is_file()]
    folders = [secrets.folder, *(path for path in secrets.folder.rglob("*") if path.is_dir())]
    assert len(files) > 20
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_making_them_again_keeps_every_one(secrets: Secrets) -> None:
    before = contents(secrets)
    secrets.make(Surroundings(), ["alice"])
    assert contents(secrets) == before


def test_two_deployments_share_no_secret(secrets: Secrets, tmp_path: Path) -> None:
    other = Secrets(tmp_path / "other")
    other.make(Surroundings(), ["alice"])
    mine, theirs = contents(secrets), contents(other)
    assert mine.keys() == theirs.keys()
    secret = [name for name in mine if "password" in name or "key" in name or "actors" in name]
    assert len(secret) >= 15
    assert not [name for name in secret if mine[name] == theirs[name]]


def test_a_new_actor_comes_in_and_the_old_ones_stay(secrets: Secrets) -> None:
    alice = (secrets.folder / "actors" / "alice").read_text()
    secrets.make(Surroundings(), ["bob"])
    rendered = (secrets.folder / "nats" / "auth.conf").read_text()
    bob = (secrets.folder / "actors" / "bob").read_text()
    assert f'user: "alice", password: "{alice}"' in rendered
    assert f'user: "bob", password: "{bob}"' in rendered
    assert alice != bob


def test_an_actor_whose_file_is_gone_is_shut_out(secrets: Secrets) -> None:
    (secrets.folder / "actors" / "alice").unlink()
    secrets.make(Surroundings(), [])
    assert '"alice"' not in (secrets.folder / "nats" / "auth.conf").read_text()


@pytest.mark.parametrize("name", ["../alice", "a/b", "", "*", "ingest", "auditor"])
def test_a_bad_actor_name_is_refused_before_its_file_is_written(
    secrets: Secrets, name: str
) -> None:
    before = contents(secrets)
    with pytest.raises(InvalidInput):
        secrets.make(Surroundings(), [name])
    assert contents(secrets) == before


@pytest.mark.parametrize("folder", ["..", "a/b", ""])
def test_a_secret_is_never_written_outside_its_folder(secrets: Secrets, folder: str) -> None:
    with pytest.raises(InvalidInput):
        secrets.keep(folder, "name", "value")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_start_from_its_own_folder(secrets: Secrets, service: str) -> None:
    settings = Settings.load(secrets.folder / service)
    assert (settings.bus.user, settings.bus.url) == (service, "nats://nats:4222")
    assert settings.bus.password == secrets.password(service, "sealbook_nats_password")
    database = secrets.database_password(service)
    url = settings.database_url.get_secret_value()
    assert url == f"postgresql://{service}:{database}@postgres:5432/sealbook"


def test_only_who_stores_or_reads_objects_knows_the_object_store(secrets: Secrets) -> None:
    with_s3 = {path.parent.name for path in secrets.folder.rglob("sealbook_s3_secret_key")}
    assert with_s3 == {"ingest", "review", "export", "provisioner"}


def test_no_folder_holds_another_users_password(secrets: Secrets) -> None:
    users = (*SERVICES, "provisioner", "recorder", "auditor")
    passwords = {name: secrets.password(name, "sealbook_nats_password") for name in users}
    assert len(set(passwords.values())) == len(users)
    for name in users:
        text = b"\n".join(path.read_bytes() for path in (secrets.folder / name).iterdir()).decode()
        assert [other for other in users if passwords[other] in text] == [name]


@pytest.mark.parametrize("name", ["recorder", "auditor"])
def test_who_only_speaks_to_the_bus_has_a_password_and_nothing_else(
    secrets: Secrets, name: str
) -> None:
    folder = secrets.folder / name
    assert [path.name for path in folder.iterdir()] == ["sealbook_nats_password"]
    rendered = (secrets.folder / "nats" / "auth.conf").read_text()
    password = (folder / "sealbook_nats_password").read_text()
    assert f'user: "{name}", password: "{password}"' in rendered


def test_the_key_file_is_one(secrets: Secrets) -> None:
    assert KeyFile(secrets.key_file)


def test_a_chosen_secret_is_kept(secrets: Secrets) -> None:
    secrets.keep("s3", "access_key", "chosen")
    secrets.make(Surroundings(), [])
    assert (secrets.folder / "export" / "sealbook_s3_access_key").read_text() == "chosen"


def test_the_surroundings_may_change(secrets: Secrets) -> None:
    password = secrets.password("review", "sealbook_nats_password")
    secrets.make(Surroundings(nats_url="tls://elsewhere:4222"), [])
    settings = Settings.load(secrets.folder / "review")
    assert (settings.nats_url, settings.bus.password) == ("tls://elsewhere:4222", password)
