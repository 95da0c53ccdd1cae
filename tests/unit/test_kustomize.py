"""deploy/k8s/ keeps its promises; no cluster."""

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from deployed import KUSTOMIZATION, PROGRAMS, SECRET_NAME, SERVICES, WITH_KEYS, Document, command

from sealbook.provision.secrets import Secrets, Surroundings
from sealbook.runtime.authorization import read_policy


def test_example_policy_has_an_administrator() -> None:
    path = KUSTOMIZATION / "policy.toml"
    assert set(tomllib.loads(path.read_text())) == {"actors"}
    assert read_policy(path).allows("admin", "projection.rebuild", None)


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
