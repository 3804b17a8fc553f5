"""Who may talk to whom over TLS (MODBUS/TCP Security Protocol Specification v3.6: mutual certificates)."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from edge_agent.drivers.modbus.wires import Misconfigured


@dataclass(frozen=True, slots=True)
class Identity:
    """Files in PEM: whose servers are trusted, and who we are.

    `passphrase` is the name of the systemd credential that opens the key: no configuration holds a secret.
    """

    ca: Path
    certificate: Path
    key: Path
    passphrase: str = ""

    def context(self) -> ssl.SSLContext:
        """Return a client's context of the files as they are now. Raises `Misconfigured`."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        secret = _secret(self.passphrase) if self.passphrase else b""
        try:
            made.load_verify_locations(self.ca)
        except OSError as error:
            raise Misconfigured(f"{self.ca}: no certificates in PEM: {_why(error)}") from None
        try:
            made.load_cert_chain(self.certificate, self.key, lambda: secret)
        except OSError as error:
            raise Misconfigured(
                f"{self.certificate}, {self.key}: no certificate and its key in PEM: {_why(error)}"
            ) from None
        return made


def _why(error: OSError) -> str:
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or "damaged, or locked"


def _secret(name: str) -> bytes:
    # Imported here because it costs a third of a second, which only those pay who lock their key.
    from edge_agent.credentials import NoCredential, read  # noqa: PLC0415

    try:
        return read(name).rstrip(b"\n")
    except NoCredential as error:
        raise Misconfigured(str(error)) from None
