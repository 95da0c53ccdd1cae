"""Fixtures of the command line."""

import json
from pathlib import Path

import pytest
from running import Cli
from sending import CALL

from sealbook.cli.stack import Stack


@pytest.fixture
def cli(stack: Stack, tmp_path: Path) -> Cli:
    return Cli(stack.data, tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Five submissions."""
    path = tmp_path / "calls.jsonl"
    lines = [json.dumps({**CALL, "session_id": f"s-{n}", "tags": ["cli"]}) for n in range(5)]
    path.write_text("\n".join(lines) + "\n")
    return path
