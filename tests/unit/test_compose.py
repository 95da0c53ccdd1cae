"""docker-compose.yml, and the nats.conf it mounts, keep their promises; no engine.

`tests/data/compose-spec.json` is the schema of the Compose Specification (compose-spec/compose-spec
at 170098b, Apache-2.0), unchanged.
"""

import json
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from deployed import PROGRAMS, ROOT, SECRET_NAME, SERVICES, WITH_KEYS, Document, command
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from sealbook.provision.secrets import Secrets, Surroundings

ONE_SHOT = {"secrets", "setup"}
TOOLS = {"cli"}
ROOT_USER = re.compile(r"^(root|0)(:|$)")


@cache
def compose() -> Document:
    loaded = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


COMPOSED: dict[str, Document] = compose()["services"]
RUNNING = sorted(set(COMPOSED) - ONE_SHOT - TOOLS)


def test_compose_file_follows_the_specification() -> None:
    schema = json.loads((ROOT / "tests" / "data" / "compose-spec.json").read_text())
    problems = Draft7Validator(schema).iter_errors(compose())
    assert [f"{problem.json_path}: {problem.message}" for problem in problems] == []


def test_compose_runs_every_service_and_its_servers() -> None:
    assert set(COMPOSED) == {*SERVICES, *ONE_SHOT, *TOOLS, "nats", "postgres", "minio"}
    for name in SERVICES:
        assert COMPOSED[name]["command"] == ["python", "-m", f"services.{name}"]


@pytest.mark.parametrize("name", RUNNING)
def test_what_stays_running_is_checked_and_restarted(name: str) -> None:
    assert COMPOSED[name]["healthcheck"]["test"]
    assert COMPOSED[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(ONE_SHOT))
def test_one_shot_is_waited_for_and_not_restarted(name: str) -> None:
    """`up --wait` takes an exit for a failure, unless somebody depends on the completion."""
    assert COMPOSED[name]["restart"] == "no"
    conditions = [
        dependency["condition"]
        for service in COMPOSED.values()
        for other, dependency in service.get("depends_on", {}).items()
        if other == name
    ]
    assert conditions
    assert set(conditions) == {"service_completed_successfully"}


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_tool_starts_only_when_asked_for(name: str) -> None:
    assert COMPOSED[name]["profiles"] == [name]
    assert COMPOSED[name]["restart"] == "no"


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_container_is_contained(name: str) -> None:
    service = COMPOSED[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_only_the_maker_of_secrets_is_root_and_it_has_no_network(name: str) -> None:
    service = COMPOSED[name]
    if ROOT_USER.match(service["user"]):
        assert name == "secrets"
        assert service["network_mode"] == "none"
    else:
        assert "cap_add" not in service


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_image_has_a_tag(name: str) -> None:
    tag = COMPOSED[name]["image"].rpartition("/")[2].partition(":")[2]
    assert tag
    assert tag != "latest"


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_environment_holds_no_secret(name: str) -> None:
    environment = COMPOSED[name].get("environment", {})
    named = [key for key in environment if SECRET_NAME.search(key)]
    assert named == []
    assert "env_file" not in COMPOSED[name]


def mounts(name: str) -> dict[str, tuple[str, bool]]:
    """Source → (target, read only)."""
    found = {}
    for volume in COMPOSED[name].get("volumes", []):
        if isinstance(volume, str):
            source, target, *mode = volume.split(":")
            found[source] = (target, mode == ["ro"])
        else:
            found[volume["source"]] = (volume["target"], volume.get("read_only", False))
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_service_mounts_its_own_secrets_and_nothing_else(name: str) -> None:
    expected = {
        f"{name}-secrets": (f"/run/sealbook/secrets/{name}", True),
        "./deploy/k8s/policy.toml": ("/etc/sealbook/policy.toml", True),
    }
    if name in WITH_KEYS:
        expected["keys"] = ("/run/sealbook/keys", True)
    assert mounts(name) == expected


@pytest.mark.parametrize("name", SERVICES)
def test_service_finds_its_files_where_they_are_mounted(name: str) -> None:
    environment = COMPOSED[name]["environment"]
    assert environment["SEALBOOK_SECRETS_DIR"] == f"/run/sealbook/secrets/{name}"
    assert environment["SEALBOOK_POLICY_FILE"] == "/etc/sealbook/policy.toml"
    has_keys = environment.get("SEALBOOK_KEY_FILE") == "/run/sealbook/keys/kek.json"
    assert has_keys == (name in WITH_KEYS)
    assert "/readyz" in COMPOSED[name]["healthcheck"]["test"][-1]


def test_every_folder_of_secrets_has_its_volume(tmp_path: Path) -> None:
    Secrets(tmp_path).make(Surroundings(), ["admin"])
    targets = {target for target, _ in mounts("secrets").values()}
    for_operator = {"actors", "provisioner", "recorder", "auditor"}
    folders = {folder.name for folder in tmp_path.iterdir()}
    own = {f"/run/sealbook/secrets/{name}" for name in folders - for_operator}
    assert own | {"/run/sealbook/secrets"} == {t for t in targets if t.startswith("/run/")}
    assert for_operator <= folders


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_only_set_up_and_the_command_line_see_what_is_the_operators(name: str) -> None:
    allowed = {"secrets": False, "setup": True, "cli": True}
    operator = {
        read_only for source, (_, read_only) in mounts(name).items() if source == "operator"
    }
    assert operator == ({allowed[name]} if name in allowed else set())


def test_only_nats_is_published_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in COMPOSED.items() if "ports" in service}
    assert set(published) == {"nats"}
    assert all(port.startswith("127.0.0.1:") for port in published["nats"])
    inside = [name for name in RUNNING if COMPOSED[name]["networks"] == ["inside"]]
    assert set(inside) == set(RUNNING) - {"nats"}
    assert compose()["networks"]["inside"]["internal"] is True


def test_nats_accepts_its_configuration(tmp_path: Path) -> None:
    Secrets(tmp_path / "made").make(Surroundings(), ["admin"])
    (tmp_path / "made" / "nats").rename(tmp_path / "secrets")
    text = (ROOT / "deploy" / "nats" / "nats.conf").read_text()
    for promised in ("sync_interval: always", "cipher: aes"):
        assert promised in text
    assert not re.search(r"password|^\s*key:", text, flags=re.M)
    configuration = tmp_path / "nats.conf"
    configuration.write_text(text.replace('"/data"', f'"{tmp_path}/data"'))
    command(PROGRAMS / "nats-server", "-t", "-c", configuration)
