"""Vault's transit engine and AWS KMS, as far as HTTP shows them: they encrypt, rotate and refuse.

Answers and error texts are those of the real servers (Vault 1.20's and OpenBao's transit engine,
KMS's JSON protocol 1.1); the client libraries cannot tell the difference.
"""

import base64
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Answer = tuple[int, dict[str, Any]]


class KeyServer:
    """What both have in common: requests are counted, and may fail the next few times."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.failures: list[Answer] = []
        self.url = ""
        self._lock = threading.Lock()

    def ask(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
        with self._lock:
            self.requests.append((path, body))
            if self.failures:
                return self.failures.pop(0)
        return self.answer(path, headers, body)

    def answer(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
        raise NotImplementedError


class FakeVault(KeyServer):
    """`/v1/<mount>/encrypt|decrypt/<key>` for one token."""

    def __init__(self, token: str, mount: str = "transit") -> None:
        super().__init__()
        self.token = token
        self.mount = mount
        self.keys: dict[str, list[bytes]] = {"sealbook": [os.urandom(32)]}
        self.oldest: dict[str, int] = {}
        self.sealed = False

    def rotate(self, key: str = "sealbook") -> None:
        self.keys.setdefault(key, []).append(os.urandom(32))

    def answer(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if headers.get("X-Vault-Token") != self.token:
            return 403, {"errors": ["permission denied"]}
        prefix = f"/v1/{self.mount}/"
        if not path.startswith(prefix):
            return 404, {"errors": [f"no handler for route {path!r}"]}
        operation, _, key = path.removeprefix(prefix).partition("/")
        if key not in self.keys:
            # With `update` but not `create`, a missing key is not told from a forbidden one.
            missing = {
                "encrypt": (403, "permission denied"),
                "decrypt": (400, "encryption key not found"),
            }
            status, text = missing[operation]
            return status, {"errors": [text]}
        context = base64.b64decode(body["associated_data"])
        if operation == "encrypt":
            return self._encrypt(key, base64.b64decode(body["plaintext"]), context)
        return self._decrypt(key, body["ciphertext"], context)

    def _encrypt(self, key: str, plaintext: bytes, context: bytes) -> Answer:
        nonce, versions = os.urandom(12), self.keys[key]
        sealed = nonce + AESGCM(versions[-1]).encrypt(nonce, plaintext, context)
        text = f"vault:v{len(versions)}:{base64.b64encode(sealed).decode()}"
        return 200, {"data": {"ciphertext": text, "key_version": len(versions)}}

    def _decrypt(self, key: str, ciphertext: str, context: bytes) -> Answer:
        prefix, _, rest = ciphertext.removeprefix("vault:v").partition(":")
        version = int(prefix)
        if version > len(self.keys[key]):
            return 400, {"errors": ["invalid ciphertext: version is too new"]}
        if version < self.oldest.get(key, 1):
            text = "ciphertext or signature version is disallowed by policy (too old)"
            return 400, {"errors": [text]}
        try:
            sealed = base64.b64decode(rest, validate=True)
            cipher = AESGCM(self.keys[key][version - 1])
            plaintext = cipher.decrypt(sealed[:12], sealed[12:], context)
        except InvalidTag:
            return 400, {"errors": ["cipher: message authentication failed"]}
        except ValueError:
            return 400, {"errors": ["invalid ciphertext: could not decode base64"]}
        return 200, {"data": {"plaintext": base64.b64encode(plaintext).decode()}}


class FakeKms(KeyServer):
    """`TrentService.Encrypt` and `Decrypt`; blobs name their key, as KMS's do."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = {arn("11111111"): os.urandom(32)}
        self.aliases = {"alias/sealbook": arn("11111111")}
        self.refused: dict[str, str] = {}

    def add(self, name: str) -> str:
        self.keys[arn(name)] = os.urandom(32)
        return arn(name)

    def answer(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
        assert headers["Content-Type"] == "application/x-amz-json-1.1"
        assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=")
        key = self._key(body["KeyId"])
        if key is None:
            return _kms_error("NotFoundException", "Key does not exist")
        if key in self.refused:
            return _kms_error(self.refused[key], "no")
        context = json.dumps(body["EncryptionContext"], sort_keys=True).encode()
        operation = headers["X-Amz-Target"].removeprefix("TrentService.")
        if operation == "Encrypt":
            return self._encrypt(key, base64.b64decode(body["Plaintext"]), context)
        return self._decrypt(key, base64.b64decode(body["CiphertextBlob"]), context)

    def _key(self, name: str) -> str | None:
        key = self.aliases.get(name, name)
        return key if key in self.keys else None

    def _encrypt(self, key: str, plaintext: bytes, context: bytes) -> Answer:
        nonce = os.urandom(12)
        sealed = AESGCM(self.keys[key]).encrypt(nonce, plaintext, key.encode() + context)
        blob = base64.b64encode(len(key).to_bytes(1, "big") + key.encode() + nonce + sealed)
        algorithm = {"EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
        return 200, {"CiphertextBlob": blob.decode(), "KeyId": key} | algorithm

    def _decrypt(self, key: str, blob: bytes, context: bytes) -> Answer:
        end = 1 + blob[0]
        made_with = blob[1:end].decode(errors="replace")
        if made_with in self.keys and made_with != key:
            return _kms_error("IncorrectKeyException", "The key ID in the request is another")
        nonce, sealed = blob[end : end + 12], blob[end + 12 :]
        try:
            if made_with != key:
                raise InvalidTag
            plaintext = AESGCM(self.keys[key]).decrypt(nonce, sealed, key.encode() + context)
        except (InvalidTag, ValueError):
            return _kms_error("InvalidCiphertextException", None)
        return 200, {"Plaintext": base64.b64encode(plaintext).decode(), "KeyId": key}


def arn(name: str) -> str:
    return f"arn:aws:kms:eu-central-1:123456789012:key/{name}-2222-3333-4444-555555555555"


def _kms_error(kind: str, message: str | None) -> Answer:
    return 400, {"__type": kind} | ({"message": message} if message else {})


@contextmanager
def served(server: KeyServer) -> Iterator[KeyServer]:
    """The server on a free port of this machine; `url` tells where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            status, fields = server.ask(self.path, self.headers, body)
            content = json.dumps(fields).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if location := fields.get("location"):
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_POST

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    server.url = f"http://127.0.0.1:{listening.server_address[1]}"
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
