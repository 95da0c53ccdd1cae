"""Key-encryption keys in a local file: `{"active": "<id>", "keys": {"<id>": "<base64>"}}`."""

import base64
import json
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealbook.errors import KeyUnavailable, Misconfigured, SealBroken

_NONCE_BYTES = 12


def create_key_file(path: Path) -> None:
    """Write a file with one fresh key, readable by its owner only. Never overwrites one."""
    key_id = f"local-{secrets.token_hex(4)}"
    content = {"active": key_id, "keys": {key_id: base64.b64encode(os.urandom(32)).decode()}}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())


class KeyFile:
    """A `KeyProvider` over a local key file, read once."""

    def __init__(self, path: Path) -> None:
        """Raises Misconfigured when the file is missing, malformed or readable by everyone."""
        self._active, self._keys = _read(path)
        self._ciphers = {key_id: AESGCM(key) for key_id, key in self._keys.items()}

    async def wrap(self, secret: bytes, context: bytes) -> tuple[str, bytes]:
        nonce = os.urandom(_NONCE_BYTES)
        return self._active, nonce + self._ciphers[self._active].encrypt(nonce, secret, context)

    async def unwrap(self, kek_id: str, wrapped: bytes, context: bytes) -> bytes:
        cipher = self._ciphers.get(kek_id)
        if cipher is None:
            raise KeyUnavailable(
                f"The key-encryption key {kek_id!r} is not in the key file.",
                remedy="Restore the key file that holds it from its backup.",
            )
        try:
            return cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)
        except InvalidTag:
            raise SealBroken(
                f"A data key wrapped under {kek_id!r} does not authenticate.",
                remedy="Treat it as tampering with the keyring: compare it with a backup.",
            ) from None


def _read(path: Path) -> tuple[str, dict[str, bytes]]:
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"The key file {path} cannot be read: {error.strerror}.",
            remedy="Make one with `sealbook keys init`, or correct SEALBOOK_KEY_FILE.",
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
            remedy="Restore it from its backup; `sealbook keys init` makes a new one.",
        ) from None
    return active, keys
