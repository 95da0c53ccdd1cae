"""Key-encryption keys in a local file: `{"active": "<id>", "keys": {"<id>": "<base64>"}}`.

Whoever rotates the file replaces it as a whole; services that run notice it by themselves.
"""

import base64
import fcntl
import json
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealbook.errors import KeyUnavailable, Misconfigured, SealBroken

logger = logging.getLogger("sealbook.keys")

PREFIX = "local-"
_NONCE_BYTES = 12
Version = tuple[int, int, int]


def create_key_file(path: Path) -> None:
    """Write a file with one fresh key, readable by its owner only. Never overwrites one.

    Raises FileExistsError, or Misconfigured when it cannot be written.
    """
    key_id, key = _fresh()
    try:
        _write_new(path, Keys(key_id, {key_id: key}), 0o600)
        # Data keys wrapped under it survive a power cut; so must its name in the folder.
        with _locked(path.parent) as folder:
            os.fsync(folder)
    except FileExistsError:
        raise
    except OSError as error:
        raise Misconfigured(
            f"The key file {path} cannot be written: {error.strerror}.",
            remedy="Name a folder that exists and that you may write to.",
        ) from None


def rotate_key_file(path: Path) -> str:
    """Add a fresh key and make it the active one; older keys are kept, to unwrap with.

    Returns its id. The file is replaced as a whole: a crash leaves the old one or the new one.
    Raises Misconfigured when it is no key file, or must not be written.
    """
    path = path.resolve()
    read_keys(path)
    try:
        with _locked(path.parent) as folder:
            keys = read_keys(path)
            key_id, key = _fresh()
            _replace(path, Keys(key_id, keys.by_id | {key_id: key}))
            os.fsync(folder)
    except OSError as error:
        raise Misconfigured(
            f"The key file {path} cannot be replaced: {error.strerror}.",
            remedy="Run this where the file is, as its owner; a mounted copy is for reading only.",
        ) from None
    return key_id


@dataclass(frozen=True, slots=True)
class Keys:
    """What a key file holds."""

    active: str
    by_id: dict[str, bytes] = field(repr=False)

    def encode(self) -> bytes:
        keys = {key_id: base64.b64encode(key).decode() for key_id, key in self.by_id.items()}
        return json.dumps({"active": self.active, "keys": keys}).encode()


class KeyFile:
    """A `KeyProvider` over a local key file, read anew when it was replaced."""

    at_once = 1

    def __init__(self, path: Path) -> None:
        """Raises Misconfigured when the file is missing, malformed or readable by everyone."""
        self._path = path
        self._version = _version(path)
        self._use(read_keys(path))

    async def active(self) -> str:
        self._follow()
        return self._active

    async def wrap(self, secret: bytes, context: bytes) -> tuple[str, bytes]:
        self._follow()
        nonce = os.urandom(_NONCE_BYTES)
        return self._active, nonce + self._ciphers[self._active].encrypt(nonce, secret, context)

    async def unwrap(self, kek_id: str, wrapped: bytes, context: bytes) -> bytes:
        if kek_id not in self._ciphers:
            self._follow()
        cipher = self._ciphers.get(kek_id)
        if cipher is None:
            raise KeyUnavailable(
                f"The key-encryption key {kek_id!r} is not in the key file.",
                remedy="Restore the key file that holds it from its backup.",
            )
        try:
            return cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise SealBroken(
                f"A data key wrapped under {kek_id!r} does not authenticate.",
                remedy="Treat it as tampering with the keyring: compare it with a backup.",
            ) from None

    def _follow(self) -> None:
        """Read the file again if it is another one; what is wrong with it is said once."""
        version = _version(self._path)
        if version == self._version:
            return
        self._version = version
        try:
            self._use(read_keys(self._path))
            logger.info("the key file changed; the active key is %s", self._active)
        except Misconfigured as error:
            logger.warning("the keys read before stay in force: %s", error)

    def _use(self, keys: Keys) -> None:
        self._active = keys.active
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.by_id.items()}


def read_keys(path: Path) -> Keys:
    """The keys in a file. Raises Misconfigured: missing, malformed or open to everyone."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"The key file {path} cannot be read: {error.strerror}.",
            remedy="Name the right file (services: SEALBOOK_KEY_FILE), or restore it from its "
            "copy. Only for a new deployment make one: `sealbook keys init`.",
        ) from None
    if mode & 0o007:
        raise Misconfigured(
            f"The key file {path} is open to everyone (mode {mode & 0o777:04o}).",
            remedy=f"Run `chmod 600 {path}`; if others use this machine, make new keys.",
        )
    try:
        parsed = json.loads(content)
        keys = {key_id: base64.b64decode(key) for key_id, key in parsed["keys"].items()}
        active = parsed["active"]
        if active not in keys or any(len(key) != 32 for key in keys.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Misconfigured(
            f"The key file {path} is not a key file of Sealbook.",
            remedy="Restore it from its copy: what older keys wrapped opens with no new one.",
        ) from None
    return Keys(active, keys)


def _version(path: Path) -> Version | None:
    """Changes when the file is replaced or written, or open to others than before; None while
    there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_size


def _fresh() -> tuple[str, bytes]:
    return f"{PREFIX}{secrets.token_hex(4)}", os.urandom(32)


def _write_new(path: Path, keys: Keys, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(keys.encode())
        file.flush()
        os.fsync(descriptor)


def _replace(path: Path, keys: Keys) -> None:
    """Who may read the file stays as it was: services may do so through its group."""
    was = path.stat()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write_new(draft, keys, was.st_mode & 0o770)
        if (was.st_uid, was.st_gid) != (draft.stat().st_uid, draft.stat().st_gid):
            os.chown(draft, was.st_uid, was.st_gid)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """One rotation at a time: a key that a second one would lose may be in use already."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
