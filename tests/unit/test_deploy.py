"""Dockerfile, docker-compose.yml and deploy/k8s/ keep their promises; no engine, no cluster.

`tests/data/compose-spec.json` is the schema of the Compose Specification (compose-spec/compose-spec
at 170098b, Apache-2.0), unchanged.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from sealbook.provision.secrets import Secrets, Surroundings
from sealbook.runtime.authorization import read_policy

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
KUSTOMIZATION = ROOT / "deploy" / "k8s"

SERVICES = ("ingest", "review", "rollup", "export")
WITH_KEYS = {"ingest", "review", "export"}
ONE_SHOT = {"secrets", "setup"}
TOOLS = {"cli"}
SECRET_NAME = re.compile(r"(PASSWORD|SECRET|TOKEN|CREDENTIAL|DATABASE_URL|KEY)(?!.*_(DIR|FILE)$)")
ROOT_USER = re.compile(r"^(root|0)(:|$)")

Document = dict[str, Any]


def command(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Dockerfile


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line)]


def final_stage() -> list[tuple[str, str]]:
    all_of_them = instructions()
    last = max(n for n, (word, _) in enumerate(all_of_them) if word == "FROM")
    return all_of_them[last:]


def test_image_is_built_on_a_pinned_base() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert bases
    assert set(bases) == {"python:3.11-slim-bookworm"}


def test_image_installs_only_what_is_hashed() -> None:
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "--no-deps --no-build-isolation" in installs[1]


def test_final_stage_runs_as_nobody_special_and_installs_nothing() -> None:
    users = [rest for word, rest in final_stage() if word == "USER"]
    assert users == ["10001:10001"]
    commands = " ".join(rest for word, rest in final_stage() if word == "RUN")
    assert not re.search(r"apt|pip|gcc|build-essential|curl|wget", commands)


def test_build_sees_only_what_it_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    kept = {line.removeprefix("!") for line in patterns if line.startswith("!")}
    copied = [
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert kept == set(copied)


# docker-compose.yml


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


def test_example_policy_has_an_administrator() -> None:
    path = KUSTOMIZATION / "policy.toml"
    assert set(tomllib.loads(path.read_text())) == {"actors"}
    assert read_policy(path).allows("admin", "projection.rebuild", None)


# deploy/k8s


@cache
def built() -> str:
    return command(PROGRAMS / "kubectl", "kustomize", KUSTOMIZATION)


def objects(kind: str) -> dict[str, Document]:
    documents = [document for document in yaml.safe_load_all(built()) if document["kind"] == kind]
    return {document["metadata"]["name"]: document for document in documents}


def pods() -> dict[str, Document]:
    workloads = objects("Deployment") | objects("Job")
    return {name: workload["spec"]["template"]["spec"] for name, workload in workloads.items()}


def containers() -> Iterator[tuple[str, Document]]:
    for name, pod in pods().items():
        assert "initContainers" not in pod
        for container in pod["containers"]:
            yield name, container


def test_kubernetes_knows_every_object(tmp_path: Path) -> None:
    path = tmp_path / "built.yaml"
    path.write_text(built())
    told = command(PROGRAMS / "kubernetes-validate", "--strict", path)
    assert told.count("passed") == sum(1 for _ in yaml.safe_load_all(built()))


def test_cluster_runs_every_service() -> None:
    assert set(objects("Deployment")) == set(SERVICES) == set(objects("Service"))
    assert set(objects("Job")) == {"setup"}
    for name, container in containers():
        if name in SERVICES:
            assert container["command"] == ["python", "-m", f"services.{name}"]


def test_everything_is_in_the_namespace() -> None:
    for document in yaml.safe_load_all(built()):
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == "sealbook"


def test_services_are_probed() -> None:
    for name, container in containers():
        if name in SERVICES:
            paths = {
                probe: container[f"{probe}Probe"]["httpGet"]["path"]
                for probe in ("startup", "liveness", "readiness")
            }
            assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}


def test_containers_say_what_they_need_and_may_use() -> None:
    for _, container in containers():
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
        assert not container["image"].endswith(":latest")
        assert ":" in container["image"]


def test_pods_meet_the_restricted_standard() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/"""
    for pod in pods().values():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == context["fsGroup"] == 10001
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_secrets_are_files_by_reference() -> None:
    assert objects("Secret") == {}
    for _, container in containers():
        for variable in container.get("env", []):
            assert set(variable) == {"name", "value"}
            assert not SECRET_NAME.search(variable["name"])
        assert "envFrom" not in container


@pytest.mark.parametrize("name", SERVICES)
def test_pod_mounts_its_own_secret_and_the_keys_only_if_it_seals_or_opens(name: str) -> None:
    secrets = {
        volume["secret"]["secretName"]: volume["secret"]["defaultMode"]
        for volume in pods()[name]["volumes"]
        if "secret" in volume
    }
    expected = {f"sealbook-{name}"} | ({"sealbook-keys"} if name in WITH_KEYS else set())
    assert secrets == dict.fromkeys(expected, 0o440)
    assert all("projected" not in volume for volume in pods()[name]["volumes"])


def test_set_up_finds_the_secrets_that_are_made(tmp_path: Path) -> None:
    Secrets(tmp_path).make(Surroundings(), ["admin"])
    (volume,) = (v for v in pods()["setup"]["volumes"] if v["name"] == "secrets")
    for source in volume["projected"]["sources"]:
        folder = source["secret"]["name"].removeprefix("sealbook-")
        for item in source["secret"]["items"]:
            assert item["path"] == f"{folder}/{item['key']}"
            assert (tmp_path / folder / item["key"]).is_file()


def test_policy_comes_from_the_file_that_compose_mounts() -> None:
    ((name, config_map),) = objects("ConfigMap").items()
    assert config_map["data"] == {"policy.toml": (KUSTOMIZATION / "policy.toml").read_text()}
    for service in SERVICES:
        assert {"name": "policy", "configMap": {"name": name}} in pods()[service]["volumes"]


def test_nobody_reaches_a_pod_uninvited() -> None:
    denied = objects("NetworkPolicy")["sealbook-deny-ingress"]["spec"]
    assert denied["policyTypes"] == ["Ingress"]
    assert "ingress" not in denied
    for workload in (objects("Deployment") | objects("Job")).values():
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert denied["podSelector"]["matchLabels"].items() <= labels.items()
