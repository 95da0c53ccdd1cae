"""A stack for tests: its policy, and where its servers come from."""

import os
from pathlib import Path

from sealbook.cli.stack import FIRST_POLICY, Servers, Stack

ONE_PROJECT = "only-project"
MORE_ACTORS = f"""
[actors.second]
reviewer = ["*"]

[actors.local]
reader = ["{ONE_PROJECT}"]
reviewer = ["{ONE_PROJECT}"]
exporter = ["{ONE_PROJECT}"]
"""


def make_stack(folder: Path) -> Stack:
    """A stack that is not started yet, with a policy of more actors than the first one."""
    folder.chmod(0o700)
    (folder / "policy.toml").write_text(FIRST_POLICY + MORE_ACTORS)
    return Stack(folder, servers=_containers(folder))


def _containers(folder: Path) -> Servers | None:
    if os.environ.get("SEALBOOK_TEST_CONTAINERS") != "1":
        return None
    from containers import ContainerServers

    return ContainerServers(folder)
