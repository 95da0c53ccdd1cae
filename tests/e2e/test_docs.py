"""The commands of the documents, run as they stand there, in an empty folder."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(__file__).parent / "bin"
BLOCK = re.compile(
    r"(?:<!-- run: (?P<how>[^>]*?) -->\n)?```(?P<kind>sh|python)\n(?P<code>.*?)```", re.S
)
UP_SECONDS = 60


@dataclass
class Block:
    how: str
    kind: str
    code: str


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text()
    return [Block(m["how"] or "", m["kind"], m["code"]) for m in BLOCK.finditer(text)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Shell:
    """Runs blocks one after the other; variables live on, as in a reader's terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = str(free_port())
        python = Path(sys.executable).parent
        self.environment = {
            "PATH": f"{python}:{BIN}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "COLUMNS": "120",
        }

    def run(self, block: Block) -> subprocess.CompletedProcess[str]:
        code = block.code.replace("4222", self.port)
        if block.kind == "python":
            script = self.folder / "example.py"
            script.write_text(code)
            code = f"python {script}\n"
        # What a block exports is kept for those that follow.
        keep = self.folder / ".variables"
        load = f"set -e; test ! -e {keep} || . {keep}; set -a\n"
        save = f"\nset +a; export -p > {keep}\n"
        return subprocess.run(
            ["/bin/bash", "-c", load + code + save],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, block: Block) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/bash", "-c", "exec " + block.code.replace("4222", self.port)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    yield Shell(tmp_path)


def everything_printed(shell: Shell, page: str) -> str:
    """By the commands of a page, one after the other, while its Sealbook runs."""
    first, *rest = sorted(blocks(page), key=lambda block: block.how != "background")
    assert first.how == "background"
    running = shell.start(first)
    try:
        return "\n".join(follow(shell, block) for block in rest)
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 0


def test_every_command_of_the_quickstart_works(shell: Shell) -> None:
    everything = everything_printed(shell, "docs/quickstart.md")
    for promised in ("Mail [EMAIL] the invoice.", "1 approved.", "interaction.opened", "True "):
        assert promised in everything
    assert "SHA-256 verified" in everything
    assert "invalid_submission" in everything
    assert everything.count("equal to what was live") == 2
    assert "ada@example.org" not in everything


def test_every_command_about_sealing_works(shell: Shell) -> None:
    everything = everything_printed(shell, "docs/sealing.md")
    assert """019a0a0a-0000-7abc-8def-0123456789ab b'{"text": "canary-7f3a"}'""" in everything
    for promised in ("Active: local-", "has the new key local-", "no event was touched."):
        assert promised in everything
    assert "rotation.completed" in everything


def follow(shell: Shell, block: Block) -> str:
    """Run a block; what was recorded a moment ago may need another moment to be seen."""
    kind, _, value = block.how.partition(" ")
    expected = int(value.removeprefix("with ")) if kind == "fails" else 0
    shown = value if kind == "until" else ""
    deadline = time.monotonic() + UP_SECONDS
    while True:
        done = shell.run(block)
        right = done.returncode == expected and shown in done.stdout
        if right or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert shown in done.stdout
    assert done.returncode == expected, f"{block.code}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
