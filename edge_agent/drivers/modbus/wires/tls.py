"""TLS over TCP (MODBUS/TCP Security Protocol Specification v3.6): mutual certificates."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from edge_agent.drivers.modbus.wires import Listener, Misconfigured, Wire
from edge_agent.drivers.modbus.wires.system import reason, waiting
from edge_agent.drivers.modbus.wires.tcp import forget_unsent, prepare


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


@dataclass(frozen=True, slots=True)
class Tls:
    """A TCP server that has to prove itself to be `server_name`, by default `host`.

    `context` is called for every connection, so that certificates can be renewed.
    """

    host: str
    port: int
    context: Callable[[], ssl.SSLContext]
    server_name: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    async def open(self, listener: Listener, timeout: float) -> Wire:
        """Connect. Raises OSError."""
        context, name = self.context(), self.server_name or self.host
        async with asyncio.timeout(timeout):
            try:
                transport, stream = await asyncio.get_running_loop().create_connection(
                    lambda: _Stream(listener), self.host, self.port, ssl=context, server_hostname=name
                )
            except ssl.SSLCertVerificationError as error:
                raise Misconfigured(reason(error)) from None
            except UnicodeError as error:
                raise OSError(f"no host can be named {self.host!r}: {error}") from None
        if transport.is_closing():
            raise ConnectionAbortedError("closed by the device")
        prepare(transport.get_extra_info("socket"))
        return stream


class _Stream(asyncio.Protocol):
    def __init__(self, listener: Listener) -> None:
        self._listener: Listener | None = listener
        self._transport: asyncio.Transport | None = None

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def unread(self) -> bool:
        return self._transport is not None and waiting(self._transport.get_extra_info("socket").fileno())

    def close(self) -> None:
        self._listener = None
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")  # none any more if it was lost
            with suppress(OSError):
                if sock is not None:
                    forget_unsent(sock)
                self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._listener is not None:
            self._listener.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._listener is not None:
            self._listener.lost(reason(exc) if isinstance(exc, OSError) else "closed by the device")
        self._listener = None


def _why(error: OSError) -> str:
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or "damaged, or locked"


def _secret(name: str) -> bytes:
    # Imported here because it costs a third of a second, which only those pay who lock their key.
    from edge_agent.credentials import NoCredential, read  # noqa: PLC0415

    try:
        return read(name).rstrip(b"\n")
    except NoCredential as error:
        raise Misconfigured(str(error)) from None
