"""Dockerfile keeps its promises; no engine."""

import re

from deployed import ROOT


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
