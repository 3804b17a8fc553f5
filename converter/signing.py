"""Signing bundles. The private key stays with whoever makes them; the gateway gets the public one."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from converter.errors import ConverterError
from edge_agent import bundle
from edge_agent.trust import BadKey, private_key


def keygen(prefix: Path) -> tuple[Path, Path]:
    """Make PREFIX.key, which only its owner can read, and PREFIX.pub. Overwrites neither.

    Raises `ConverterError` if one of them is there, and OSError.
    """
    private, public = prefix.with_name(f"{prefix.name}.key"), prefix.with_name(f"{prefix.name}.pub")
    for path in (private, public):
        if path.exists():
            raise ConverterError(f"{path}: is there already; a key that is overwritten is lost")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def load(path: Path) -> Ed25519PrivateKey:
    """Read a private key. Raises `ConverterError`, also if others than its owner can read the file."""
    try:
        return private_key(path)
    except BadKey as error:
        raise ConverterError(str(error)) from None


def sign(path: Path, key: Ed25519PrivateKey) -> None:
    """Sign the bundle at `path`. Raises `BundleError`, OSError; then the file is as it was."""
    bundle.add_signature(path, key.sign(bundle.read(path).text))
