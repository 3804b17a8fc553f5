"""Who may talk to whom over TLS (MODBUS/TCP Security Protocol Specification v3.6: mutual certificates)."""

import os
import ssl
from pathlib import Path


class BadCertificate(Exception):
    """A certificate, a key or its passphrase that cannot be used, named by its file."""


def context(ca: Path, certificate: Path, key: Path, passphrase: str = "") -> ssl.SSLContext:
    """Return a client's context: TLS 1.2 or later, the server proven by `ca`, ourselves by `certificate`.

    `passphrase` is the name of the systemd credential that opens the key: a secret stands in no
    configuration. Raises `BadCertificate`.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    secret = _credential(passphrase) if passphrase else b""
    for file in (ca, certificate, key):
        if not file.is_file():
            raise BadCertificate(f"{file}: there is no such file")
    try:
        made.load_verify_locations(ca)
    except (ssl.SSLError, OSError) as error:
        raise BadCertificate(f"{ca}: not certificates in PEM: {error}") from None
    try:
        made.load_cert_chain(certificate, key, lambda: secret)
    except (ssl.SSLError, OSError) as error:
        why = (
            "the passphrase does not open it" if not isinstance(error, ssl.SSLError) or not secret else error
        )
        raise BadCertificate(f"{certificate}, {key}: not a certificate and its key in PEM: {why}") from None
    return made


def _credential(name: str) -> bytes:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise BadCertificate(
            f"credential {name!r}: systemd gave none; add LoadCredential={name}:FILE to the unit"
        )
    try:
        return (Path(folder) / name).read_bytes().rstrip(b"\n")
    except OSError as error:
        raise BadCertificate(f"credential {name!r}: {error.strerror}") from None
