"""The commands of the documents, run as they stand there, in an empty folder.

A block of commands may have `<!-- run: background -->`, `fails with N` or `until TEXT` before it;
`<!-- file: NAME -->` has a block written to that file. A block of `text` right after commands is
what they print: its lines in their order, `…` standing for anything. Python with `…` in it is a
fragment, and not run.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealbook import errors
from sealbook.projection.rebuild import Diverged
from sealbook.runtime.objects import AlteredObject, LostObject
from services.ingest.redact import builtin_rules
from services.ingest.redact.validators import VALIDATORS

ROOT = Path(__file__).parents[2]
BIN = Path(__file__).parent / "bin"
BLOCK = re.compile(
    r"(?:<!-- (?P<how>(?:run|file): [^>]*?) -->\n)?```(?P<kind>\w+)\n(?P<code>.*?)```"
    r"(?:\n+```text\n(?P<promised>.*?)```)?",
    re.S,
)
UP_SECONDS = 60


@dataclass
class Block:
    how: str
    kind: str
    code: str
    promised: str

    @property
    def is_program(self) -> bool:
        return self.kind == "python" and "…" not in self.code

    @property
    def file(self) -> str:
        """Where it goes, if it is a file."""
        return self.how.removeprefix("file: ") if self.how.startswith("file: ") else ""


def blocks(page: str) -> list[Block]:
    found = [
        Block((m["how"] or "").removeprefix("run: "), m["kind"], m["code"], m["promised"] or "")
        for m in BLOCK.finditer((ROOT / page).read_text())
    ]
    return [block for block in found if block.file or block.kind == "sh" or block.is_program]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Shell:
    """Runs blocks one after the other; variables live on, as in a reader's terminal."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.port = str(free_port())
        self.environment = {
            "PATH": f"{programs}:{BIN}:{os.environ['PATH']}",
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
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
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

    def write(self, block: Block) -> None:
        path = self.folder / block.file
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.code)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, Path(sys.executable).parent)


@pytest.fixture
def installing_shell(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Where `pip install` changes an environment of its own, on top of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    programs = folder / "bin"
    packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
    beneath = sysconfig.get_path("purelib")
    Path(packages, "beneath.pth").write_text(f"import site; site.addsitedir({beneath!r})\n")
    for program in Path(sys.executable).parent.iterdir():
        if not (programs / program.name).exists() and program.name not in ("sealbook", "pip"):
            (programs / program.name).symlink_to(program)
    pip = f"{sys.executable} -m pip --python {programs}/python"
    for name, command in (
        ("sealbook", f'{programs}/python -c "from sealbook.cli import main; main()" "$@"'),
        # Nothing is fetched: what builds a distribution is in the environment beneath.
        ("pip", f'{pip} "$@" --quiet --no-index --no-deps --no-build-isolation'),
    ):
        (programs / name).write_text(f"#!/bin/sh\nexec {command}\n")
        (programs / name).chmod(0o755)
    return Shell(tmp_path, programs)


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
    for promised in (
        "Active: local-",
        "has the new key local-",
        "no event was touched.",
        "ingest: True",
    ):
        assert promised in everything
    assert "rotation.completed" in everything


def test_every_command_about_redaction_works(installing_shell: Shell) -> None:
    everything = everything_printed(installing_shell, "docs/redaction.md")
    for promised in ("[PERSON] wrote to [EMAIL].", "1 interactions", "policy.changed"):
        assert promised in everything


def test_every_command_about_pricing_works(shell: Shell) -> None:
    everything = everything_printed(shell, "docs/pricing.md")
    for promised in ("pricing version", "rule:gpt-4o*"):
        assert promised in everything


def test_the_page_about_redaction_lists_every_built_in_rule_as_it_is() -> None:
    page = (ROOT / "docs/redaction.md").read_text()
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in between(page, "## The built-in rules", "\n## ").splitlines()
        if line.startswith("| `")
    ]
    assert [[name, *rest] for name, _, *rest in rows] == [
        [
            *(rule.name, rule.replacement, rule.validator or ""),
            *("yes" if rule.keywords else "", "on" if rule.enabled else "off"),
        ]
        for rule in builtin_rules()
    ]
    validators = between(page, "<!-- validators -->", "<!-- end -->").replace("`", "")
    assert validators.split(", ") == sorted(VALIDATORS)


def test_the_page_about_commands_lists_every_code_of_an_error() -> None:
    page = between((ROOT / "docs/commands.md").read_text(), "## Errors", "\n## ")
    listed = {
        code
        for line in page.splitlines()
        if line.startswith("| `")
        for code in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    codes = {error.code for error in vars(errors).values() if isinstance(error, type)}
    of_objects = {AlteredObject.code, LostObject.code, Diverged.code}
    assert listed == codes | of_objects


def between(page: str, start: str, end: str) -> str:
    return page.partition(start)[2].partition(end)[0]


def follow(shell: Shell, block: Block) -> str:
    """Run a block; what was recorded a moment ago may need another moment to be seen."""
    if block.file:
        shell.write(block)
        return ""
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
    assert done.returncode == expected, f"{block.code}\n{done.stdout}"
    assert_prints(block.promised, done.stdout)
    return done.stdout


def assert_prints(promised: str, printed: str) -> None:
    """Every line of the page is printed, in this order; lines between them are not promised."""
    lines = iter(line.rstrip() for line in printed.splitlines())
    for line in filter(None, (line.rstrip() for line in promised.splitlines())):
        wanted = re.compile(re.escape(line).replace("…", ".*"))
        assert any(wanted.fullmatch(one) for one in lines), f"not printed: {line}\n{printed}"
