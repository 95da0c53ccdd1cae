"""HPKE in base mode written a second time, from the text of RFC 9180 and with nothing but HMAC,
X25519 and AES-GCM: what another language's library does. For X25519 and HKDF-SHA256 only."""

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEM, KDF = 0x0020, 0x0001
AES_128_GCM, AES_256_GCM = 0x0001, 0x0002
KEY_BYTES = {AES_128_GCM: 16, AES_256_GCM: 32}
ENC_BYTES = 32


def i2osp(number: int, length: int) -> bytes:
    return number.to_bytes(length, "big")


def labeled_extract(suite_id: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite_id + label + ikm, hashlib.sha256)


def labeled_expand(suite_id: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    assert length <= 32
    labeled = i2osp(length, 2) + b"HPKE-v1" + suite_id + label + info
    return hmac.digest(prk, labeled + b"\x01", hashlib.sha256)[:length]


@dataclass(frozen=True)
class Context:
    """What both sides derive; `key` and `nonce` are those of the first message."""

    shared_secret: bytes
    key: bytes
    nonce: bytes


def context(aead: int, dh: bytes, enc: bytes, recipient: bytes, info: bytes) -> Context:
    """Sections 4.1 (ExtractAndExpand) and 5.1 (KeySchedule with mode 0 and no PSK)."""
    kem = b"KEM" + i2osp(KEM, 2)
    eae_prk = labeled_extract(kem, b"", b"eae_prk", dh)
    shared = labeled_expand(kem, eae_prk, b"shared_secret", enc + recipient, 32)
    hpke = b"HPKE" + i2osp(KEM, 2) + i2osp(KDF, 2) + i2osp(aead, 2)
    psk_id_hash = labeled_extract(hpke, b"", b"psk_id_hash", b"")
    info_hash = labeled_extract(hpke, b"", b"info_hash", info)
    schedule = b"\x00" + psk_id_hash + info_hash
    secret = labeled_extract(hpke, shared, b"secret", b"")
    return Context(
        shared,
        labeled_expand(hpke, secret, b"key", schedule, KEY_BYTES[aead]),
        labeled_expand(hpke, secret, b"base_nonce", schedule, 12),
    )


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def exchange(private: bytes, peer: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(peer)
    )


def sealing(aead: int, ephemeral: bytes, recipient: bytes, info: bytes) -> Context:
    """The sender's side; a real sender makes a new ephemeral key for every message."""
    return context(aead, exchange(ephemeral, recipient), public(ephemeral), recipient, info)


def seal(
    aead: int, ephemeral: bytes, recipient: bytes, info: bytes, plaintext: bytes, aad: bytes = b""
) -> bytes:
    """enc‖ciphertext."""
    made = sealing(aead, ephemeral, recipient, info)
    return public(ephemeral) + AESGCM(made.key).encrypt(made.nonce, plaintext, aad)


def unseal(aead: int, private: bytes, info: bytes, sealed: bytes, aad: bytes = b"") -> bytes:
    enc, ciphertext = sealed[:ENC_BYTES], sealed[ENC_BYTES:]
    made = context(aead, exchange(private, enc), enc, public(private), info)
    return AESGCM(made.key).decrypt(made.nonce, ciphertext, aad)
