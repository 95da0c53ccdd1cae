"""Key files: made once, for their owner only, and refused with a reason when something is off."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from key_files import CONTEXT, SECRET, active, written

from sealbook.errors import KeyUnavailable, Misconfigured, SealBroken
from sealbook.sealing.key_file import KeyFile, create_key_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_key_file(tmp_path / "kek.json")
    return tmp_path / "kek.json"


def key(size: int = 32) -> str:
    return base64.b64encode(os.urandom(size)).decode()


def test_a_new_key_file_is_for_its_owner_only(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_key_file(tmp_path / "k")
    finally:
        os.umask(before)
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600


def test_a_key_file_is_never_overwritten(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        create_key_file(path)
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=f"{tmp_path}/none/k cannot be written: No such file"):
        create_key_file(tmp_path / "none" / "k")


def test_two_key_files_hold_different_keys(path: Path, tmp_path: Path) -> None:
    create_key_file(tmp_path / "other.json")
    one, other = (json.loads(file.read_text()) for file in (path, tmp_path / "other.json"))
    assert one["active"] != other["active"]
    assert {*one["keys"].values()}.isdisjoint(other["keys"].values())


async def test_what_is_wrapped_unwraps(path: Path) -> None:
    kek_id, wrapped = await KeyFile(path).wrap(SECRET, CONTEXT)
    assert kek_id == active(path)
    assert SECRET not in wrapped
    assert await KeyFile(path).unwrap(kek_id, wrapped, CONTEXT) == SECRET


async def test_two_wrappings_differ(path: Path) -> None:
    keys = KeyFile(path)
    assert (await keys.wrap(SECRET, CONTEXT))[1] != (await keys.wrap(SECRET, CONTEXT))[1]


async def test_an_altered_wrapping_is_refused_whatever_its_byte(path: Path) -> None:
    keys = KeyFile(path)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    for at in range(len(wrapped)):
        altered = bytearray(wrapped)
        altered[at] ^= 1
        with pytest.raises(SealBroken, match="does not authenticate"):
            await keys.unwrap(kek_id, bytes(altered), CONTEXT)


async def test_a_wrapping_is_bound_to_its_context(path: Path) -> None:
    keys = KeyFile(path)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    with pytest.raises(SealBroken):
        await keys.unwrap(kek_id, wrapped, CONTEXT + b"x")


async def test_an_unknown_key_encryption_key_is_named(path: Path) -> None:
    keys = KeyFile(path)
    _, wrapped = await keys.wrap(SECRET, CONTEXT)
    with pytest.raises(KeyUnavailable, match="'local-gone' is not in the key file"):
        await keys.unwrap("local-gone", wrapped, CONTEXT)


async def test_an_older_key_still_opens_and_the_active_one_seals(tmp_path: Path) -> None:
    old, new = key(), key()
    alone = written(tmp_path, json.dumps({"active": "old", "keys": {"old": old}}).encode())
    _, wrapped = await KeyFile(alone).wrap(SECRET, CONTEXT)
    both = {"active": "new", "keys": {"old": old, "new": new}}
    rotated = KeyFile(written(tmp_path, json.dumps(both).encode()))
    assert await rotated.unwrap("old", wrapped, CONTEXT) == SECRET
    assert (await rotated.wrap(SECRET, CONTEXT))[0] == "new"


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644, 0o777])
def test_a_file_open_to_everyone_is_refused_with_its_mode(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(Misconfigured, match=f"{path} is open to everyone.*{mode:04o}"):
        KeyFile(path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_a_file_for_its_owner_or_its_group_is_read(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert KeyFile(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=f"{tmp_path}/none cannot be read: No such file"):
        KeyFile(tmp_path / "none")


def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        KeyFile(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "text",
        {},
        {"active": "a"},
        {"keys": {}},
        {"active": "a", "keys": {}},
        {"active": "a", "keys": []},
        {"active": "b", "keys": {"a": key()}},
        {"active": ["a"], "keys": {"a": key()}},
        {"active": "a", "keys": {"a": key(16)}},
        {"active": "a", "keys": {"a": key(), "b": key(31)}},
        {"active": "a", "keys": {"a": 7}},
        {"active": "a", "keys": {"a": "é"}},
        {"active": "a", "keys": {"a": "abc"}},
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(Misconfigured, match="is not a key file of Sealbook"):
        KeyFile(written(tmp_path, json.dumps(content).encode()))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\xfd", bytes(range(256))])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Misconfigured, match="is not a key file of Sealbook"):
        KeyFile(written(tmp_path, content))


def test_no_refusal_shows_a_key(tmp_path: Path) -> None:
    secret = key()
    content = json.dumps({"active": "b", "keys": {"a": secret}}).encode()
    with pytest.raises(Misconfigured) as caught:
        KeyFile(written(tmp_path, content))
    assert secret not in str(caught.value)
    assert caught.value.__suppress_context__
