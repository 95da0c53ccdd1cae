"""Settings: the environment, then the files of the secrets folder, and clear words when wrong."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from sealbook.errors import Misconfigured
from sealbook.runtime.settings import Settings

CANARY = "canary-7f3a"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("SEALBOOK_")]:
        monkeypatch.delenv(name)


def test_without_anything_said_it_is_this_machine() -> None:
    settings = Settings.load()
    assert (settings.nats_url, settings.http_host) == ("nats://127.0.0.1:4222", "127.0.0.1")
    assert settings.bus.user is settings.bus.password is None
    assert settings.key_file is settings.policy_file is None


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALBOOK_NATS_URL", "tls://bus:4222")
    monkeypatch.setenv("SEALBOOK_KEY_FILE", "/keys/kek.json")
    monkeypatch.setenv("SEALBOOK_HTTP_PORT", "8080")
    settings = Settings.load()
    assert (settings.bus.url, settings.http_port) == ("tls://bus:4222", 8080)
    assert settings.key_file == Path("/keys/kek.json")


def test_files_of_the_secrets_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "sealbook_nats_user").write_text("review")
    (tmp_path / "sealbook_nats_password").write_text("from-a-file\n")
    settings = Settings.load(tmp_path)
    assert (settings.bus.user, settings.bus.password) == ("review", "from-a-file")


def test_the_folder_may_be_named_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sealbook_s3_bucket").write_text("elsewhere")
    monkeypatch.setenv("SEALBOOK_SECRETS_DIR", str(tmp_path))
    assert Settings.load().s3_bucket == "elsewhere"


def test_the_environment_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sealbook_log_level").write_text("DEBUG")
    monkeypatch.setenv("SEALBOOK_LOG_LEVEL", "ERROR")
    assert Settings.load(tmp_path).log_level == "ERROR"


@pytest.mark.parametrize("port", [CANARY, "-1", "65536", "80.5", ""])
def test_a_setting_that_does_not_fit_is_named_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setenv("SEALBOOK_HTTP_PORT", port)
    with pytest.raises(Misconfigured, match=r"SEALBOOK_HTTP_PORT \(.+\)") as caught:
        Settings.load()
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__


def test_all_settings_that_do_not_fit_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALBOOK_HTTP_PORT", "x")
    monkeypatch.setenv("SEALBOOK_S3_SECURE", "x")
    with pytest.raises(Misconfigured, match=r"S3_SECURE.*HTTP_PORT"):
        Settings.load()


@pytest.mark.parametrize("name", ["none", "a_file"])
def test_a_secrets_folder_that_is_none_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "a_file").touch()
    with pytest.raises(Misconfigured, match=f"secrets folder {tmp_path}/{name} does not exist"):
        Settings.load(tmp_path / name)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    for name in ("nats_password", "database_url", "s3_access_key", "s3_secret_key"):
        (tmp_path / f"sealbook_{name}").write_text(CANARY)
    settings = Settings.load(tmp_path)
    assert settings.bus.password == CANARY
    shown = f"{settings!r} {settings} {settings.bus!r} {settings.model_dump_json()}"
    assert CANARY not in shown


@pytest.mark.parametrize("text", ["vault.internal,10.0.0.8", " vault.internal , 10.0.0.8,, "])
def test_hosts_are_listed_with_commas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "sealbook_allowed_hosts").write_text(text)
    assert Settings.load(tmp_path).allowed_hosts == ("vault.internal", "10.0.0.8")
    monkeypatch.setenv("SEALBOOK_ALLOWED_HOSTS", text)
    assert Settings.load().allowed_hosts == ("vault.internal", "10.0.0.8")


def test_every_setting_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    assert [
        name for name in Settings.model_fields if f"`SEALBOOK_{name.upper()}`" not in page
    ] == []


def test_settings_cannot_be_changed_later() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings.load().log_level = "DEBUG"  # type: ignore[misc]
