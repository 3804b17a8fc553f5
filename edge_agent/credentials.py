"""Secrets by name. The configuration names a credential; its file is where systemd's LoadCredential= puts it.

A credential is ``$CREDENTIALS_DIRECTORY/NAME``: either two lines, user name and password, or a certificate
and its unencrypted private key, both in PEM. It is read at every login, so that it can be changed.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

DIRECTORY = "CREDENTIALS_DIRECTORY"
LARGEST = 100_000


class NoCredential(Exception):
    """There is no such credential, or not of a form that can be used. The text holds nothing secret."""


@dataclass(frozen=True, slots=True)
class UserName:
    """A login by name."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UserCertificate:
    """A login by certificate."""

    certificate: "x509.Certificate"
    key: "rsa.RSAPrivateKey" = field(repr=False)


def login(name: str) -> UserName | UserCertificate:
    """Read a login. Raises `NoCredential`."""
    data = read(name)
    if b"-----BEGIN" in data:
        return _certificate(name, data)
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise NoCredential(f"credential {name}: not UTF-8") from None
    if len(lines) != 2 or not all(lines):
        raise NoCredential(f"credential {name}: must be two lines, user name and password, or PEM")
    return UserName(lines[0], lines[1])


def read(name: str) -> bytes:
    """Read a credential whole. Raises `NoCredential`."""
    file = path(name)
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST)
    except OSError as error:
        raise NoCredential(f"credential {name}: {file}: {error.strerror}") from None


def path(name: str) -> Path:
    """Return the file of a credential that is there, for its owner's eyes only. Raises `NoCredential`."""
    folder = os.environ.get(DIRECTORY)
    if not folder:
        raise NoCredential(f"credential {name}: ${DIRECTORY} is not set; use LoadCredential={name}:FILE")
    file = Path(folder) / name
    try:
        if file.stat().st_mode & 0o007:
            raise NoCredential(f"credential {name}: {file} can be read by everybody; chmod 600 it")
    except OSError as error:
        raise NoCredential(f"credential {name}: {file}: {error.strerror}") from None
    return file


def _certificate(name: str, data: bytes) -> UserCertificate:
    from cryptography import x509  # noqa: PLC0415 - 10 MB, for logins by certificate only
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        certificate, key = x509.load_pem_x509_certificate(data), load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NoCredential(
            f"credential {name}: must hold a certificate and its private key, no passphrase"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise NoCredential(f"credential {name}: the RSA key in it is not its certificate's")
    return UserCertificate(certificate, key)
