"""What keeps other users of the machine out of SeaweedFS's inner ports, which ask for no password.

Its gRPC ports get mutual TLS, its chunk and filer ports signed tokens. Both are only used between
the parts of one process, so certificate and keys are made anew for every start.
"""

import datetime
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sealbook.embedded.private_files import write_private

TOKEN_KEYS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
GRPC_PARTS = ("master", "volume", "filer", "s3", "client")
LIFETIME = datetime.timedelta(days=3650)


def write_security(folder: Path) -> None:
    """`security.toml` and what it names; SeaweedFS looks for it in its working folder."""
    certificate, key = _certificate()
    write_private(folder / "inner.crt", certificate)
    write_private(folder / "inner.key", key)
    sections = ["[access]\nui = false", '[grpc]\nca = "inner.crt"']
    sections += [f'[{name}]\nkey = "{secrets.token_urlsafe(32)}"' for name in TOKEN_KEYS]
    sections += [f'[grpc.{part}]\ncert = "inner.crt"\nkey = "inner.key"' for part in GRPC_PARTS]
    write_private(folder / "security.toml", "\n".join(sections) + "\n")


def _certificate() -> tuple[str, str]:
    """A self-signed certificate, its own authority, and its key: both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sealbook")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A clock that is set back a little must not shut the parts out from each other.
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()
