"""Signing bundles. The private key stays with whoever makes them; the gateway gets the public one."""

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from converter.errors import ConverterError
from edge_agent import bundle


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
        if path.stat().st_mode & 0o077:
            raise ConverterError(f"{path}: others can read this private key; chmod 600 it")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConverterError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConverterError(f"{path}: not a private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConverterError(f"{path}: not an Ed25519 key; edge-converter keygen makes one")
    return key


def sign(path: Path, key: Ed25519PrivateKey) -> None:
    """Sign the bundle at `path`. Raises `BundleError`, OSError; then the file is as it was."""
    bundle.add_signature(path, key.sign(bundle.read(path).text))
