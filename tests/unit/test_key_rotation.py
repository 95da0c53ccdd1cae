"""Key files: rotated as a whole, and followed by who has them open."""

import logging
import os
import threading
from pathlib import Path

import pytest
from key_files import CONTEXT, SECRET, active, copied, written

from sealbook.errors import Misconfigured
from sealbook.sealing.key_file import KeyFile, create_key_file, read_keys, rotate_key_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_key_file(tmp_path / "kek.json")
    return tmp_path / "kek.json"


async def test_a_rotated_file_has_a_fresh_active_key_and_keeps_the_old_ones(path: Path) -> None:
    before = read_keys(path)
    _, wrapped = await KeyFile(path).wrap(SECRET, CONTEXT)
    new = rotate_key_file(path)
    after = read_keys(path)
    assert (active(path), after.active) == (new, new)
    assert after.by_id.keys() == {before.active, new}
    assert after.by_id[before.active] == before.by_id[before.active] != after.by_id[new]
    assert await KeyFile(path).unwrap(before.active, wrapped, CONTEXT) == SECRET


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_a_rotated_file_is_open_to_no_more_than_before(path: Path, mode: int) -> None:
    path.chmod(mode)
    before = os.umask(0)
    try:
        rotate_key_file(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_link_to_a_key_file_stays_one(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    new = rotate_key_file(link)
    assert link.is_symlink()
    assert active(path) == new


def test_rotations_at_the_same_time_lose_no_key(path: Path) -> None:
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(rotate_key_file(path))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == len({*made}) == 8
    assert read_keys(path).by_id.keys() >= {*made}


@pytest.mark.parametrize("content", [b"", b"{}", b'{"active": "a", "keys": {}}'])
def test_what_is_no_key_file_is_not_rotated(tmp_path: Path, content: bytes) -> None:
    other = written(tmp_path, content)
    with pytest.raises(Misconfigured, match="is not a key file"):
        rotate_key_file(other)
    assert other.read_bytes() == content


def test_a_file_open_to_everyone_is_not_rotated(path: Path) -> None:
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match="open to everyone"):
        rotate_key_file(path)


def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(Misconfigured, match=f"{path} cannot be replaced: Read-only file system"):
        rotate_key_file(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_who_has_the_file_open_follows_its_rotation(path: Path) -> None:
    keys = KeyFile(path)
    old, wrapped = await keys.wrap(SECRET, CONTEXT)
    new = rotate_key_file(path)
    assert await keys.active() == new
    assert (await keys.wrap(SECRET, CONTEXT))[0] == new
    assert await keys.unwrap(old, wrapped, CONTEXT) == SECRET


async def test_a_key_that_another_process_used_first_is_found(path: Path) -> None:
    keys = KeyFile(path)
    new = rotate_key_file(path)
    _, wrapped = await KeyFile(path).wrap(SECRET, CONTEXT)
    # Unwrapping is what happens first here: nothing was wrapped since.
    assert await keys.unwrap(new, wrapped, CONTEXT) == SECRET


def spoil(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "open":
        path.chmod(0o644)
    else:
        path.write_text(how)


BAD: list[tuple[str, str]] = [("gone", "No such file"), ("{}", "not a key file"), ("open", "0644")]


@pytest.mark.parametrize(("how", "why"), BAD)
async def test_a_file_that_became_bad_leaves_the_old_keys_in_force(
    path: Path, caplog: pytest.LogCaptureFixture, how: str, why: str
) -> None:
    keys = KeyFile(path)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    good = copied(path)
    spoil(path, how)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert (await keys.wrap(SECRET, CONTEXT))[0] == await keys.active() == kek_id
            assert await keys.unwrap(kek_id, wrapped, CONTEXT) == SECRET
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1  # not once for every key
    assert why in said[0]
    # And a good file is taken again.
    good.replace(path)
    new = rotate_key_file(path)
    assert (await keys.wrap(SECRET, CONTEXT))[0] == new


async def test_a_file_that_came_before_its_rights_is_read_once_it_has_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeyFile(path)
    new = rotate_key_file(path)
    read = Path.read_bytes

    def refuse(_: Path) -> bytes:
        raise OSError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refuse)
        assert await keys.active() != new
    assert Path.read_bytes is read
    # chown: neither the content nor its time nor the mode changes.
    os.chown(path, os.getuid(), os.getgid())
    assert await keys.active() == new
