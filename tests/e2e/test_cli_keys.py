"""`sealbook keys`: what people see of key-encryption keys, and how they rotate them."""

import shutil
from pathlib import Path

import psycopg
import pytest
from rotating import add_keys, forget_keys, lose
from running import Cli, recorded

from sealbook.cli.stack import Stack
from sealbook.sealing.key_file import create_key_file, read_keys


def active(stack: Stack) -> str:
    return read_keys(stack.secrets.key_file).active


def copy_of(path: Path) -> Path:
    """Beside it, as private as it is."""
    return Path(shutil.copy2(path, path.with_name(f"copy-of-{path.name}")))


async def test_a_rotation_makes_a_key_and_rewraps_everything(
    cli: Cli, stack: Stack, file: Path, project: str
) -> None:
    await recorded(cli, file, project)
    before = active(stack)
    done = await cli("keys", "rotate")
    assert (done.code, done.err) == (0, "")
    new = active(stack)
    assert new != before
    lines = done.out.splitlines()
    assert lines[0].endswith(f"has the new key {new}. Keep a copy of the file elsewhere.")
    assert lines[1].endswith(f"data keys are wrapped under {new} now; no event was touched.")
    listed = (await cli("keys", "list", "--json")).json
    assert listed["active"] == new
    mine = [row for row in listed["keys"] if row["project"] == project]
    assert {row["purpose"] for row in mine} == {"index", "day"}
    assert {row["kek_id"] for row in mine} == {new}
    assert (listed["rotations"][0]["kek_id"], listed["rotations"][0]["remaining"]) == (new, 0)
    table = (await cli("keys", "list")).out
    assert f"Active: {new}" in table
    assert project in table
    audit = (await cli("audit")).out
    assert "rotation.started" in audit


async def test_without_waiting_it_tells_what_goes_on(cli: Cli, stack: Stack) -> None:
    done = await cli("keys", "rotate", "--no-wait")
    assert f"data keys are being wrapped under {active(stack)}." in done.out


async def test_a_key_that_is_there_already_is_not_made_again(cli: Cli, stack: Stack) -> None:
    before = active(stack)
    done = await cli("keys", "rotate", "--rewrap-only")
    assert (done.code, active(stack)) == (0, before)
    assert f"All data keys were wrapped under {before} before" in done.out


async def test_a_file_that_the_services_do_not_use_is_not_touched(
    cli: Cli, stack: Stack, tmp_path: Path
) -> None:
    create_key_file(tmp_path / "other.json")
    content = read_keys(tmp_path / "other.json")
    done = await cli("keys", "rotate", "--key-file", str(tmp_path / "other.json"))
    assert done.code == 1
    assert f"The services use the key '{active(stack)}'" in done.err
    assert read_keys(tmp_path / "other.json") == content


async def test_a_file_that_the_services_do_not_have_yet_is_to_be_brought_to_them(
    cli: Cli, stack: Stack, tmp_path: Path
) -> None:
    # As on Kubernetes: the operator's copy is rotated, the services' Secret follows.
    copy = tmp_path / "kek.json"
    copy_of(stack.secrets.key_file).replace(copy)
    done = await cli("keys", "rotate", "--key-file", str(copy))
    assert done.code == 1
    assert f"here is '{active(stack)}', not '{read_keys(copy).active}'" in done.err
    assert "--rewrap-only" in done.err
    again = ("keys", "rotate", "--rewrap-only", "--key-file", str(copy))
    assert "not '" in (await cli(*again)).err  # not yet: nothing was rewrapped
    copy_of(copy).replace(stack.secrets.key_file)
    done = await cli(*again)
    assert (done.code, done.err) == (0, "")
    assert f"wrapped under {active(stack)} now" in done.out


async def test_keys_that_stay_behind_are_said(
    cli: Cli, stack: Stack, project: str, superuser: psycopg.AsyncConnection[object]
) -> None:
    await add_keys(superuser, stack, project, 3)
    await lose(superuser, project, "u-1")
    done = await cli("keys", "rotate")
    await forget_keys(superuser, project)
    assert done.code == 1
    assert "1 data keys stay under others." in done.err
    assert "keys list" in done.err


@pytest.mark.parametrize("words", [("keys", "list"), ("keys", "rotate")])
async def test_only_administrators_may(cli: Cli, stack: Stack, words: tuple[str, ...]) -> None:
    before = active(stack)
    done = await cli(*words, actor="reviewer")
    assert (done.code, active(stack)) == (1, before)
    assert "may not do 'keys.list'" in done.err
