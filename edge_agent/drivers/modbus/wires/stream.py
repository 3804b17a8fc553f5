"""TCP, and TLS over it."""

import array
import asyncio
import fcntl
import socket
import ssl
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from edge_agent.drivers.modbus.wires import Listener, Misconfigured, Wire

_KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
"""Seconds of silence before the first question, seconds between questions, how many without an answer."""
_OUR_FAULT = ("certificate", "unknown ca", "access denied")
"""Words of the alerts by which a device refuses a certificate (RFC 8446, 6.2)."""
_OF_ANOTHER_TIME = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED (X509_verify_cert_error_string(3))."""


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP server; with `tls`, one that has to prove itself to be `server_name`, by default `host`.

    `tls` is called for every connection, so that certificates can be renewed.
    """

    host: str
    port: int
    tls: Callable[[], ssl.SSLContext] | None = None
    server_name: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    async def open(self, listener: Listener, timeout: float) -> Wire:
        """Connect. Raises OSError."""
        tls = self.tls() if self.tls else None
        name = (self.server_name or self.host) if tls else None
        async with asyncio.timeout(timeout):
            try:
                transport, stream = await asyncio.get_running_loop().create_connection(
                    lambda: _Stream(listener), self.host, self.port, ssl=tls, server_hostname=name
                )
            except ssl.SSLCertVerificationError as error:
                raise Misconfigured(reason(error)) from None
            except UnicodeError as error:
                raise OSError(f"no host can be named {self.host!r}: {error}") from None
        if transport.is_closing():
            raise ConnectionAbortedError("closed by the device")
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
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
            with suppress(OSError):
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


def waiting(fd: int) -> bool:
    """Whether a socket or a terminal has something that was not read: bytes, or that it is gone."""
    count = array.array("i", [0])
    try:
        fcntl.ioctl(fd, termios.FIONREAD, count)
    except OSError:
        return True
    return count[0] > 0


def reason(error: OSError) -> str:
    """Say in words what an error of the operating system or of TLS means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        clock = f"; the clock here says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        of_time = error.verify_code in _OF_ANOTHER_TIME
        return f"the device's certificate is not trusted: {error.verify_message}{clock if of_time else ''}"
    if isinstance(error, ssl.SSLError):
        said = (error.reason or "the device broke it off").lower().replace("_", " ")
        ours = "alert" in said and any(word in said for word in _OUR_FAULT)
        return f"the device does not accept our certificate: {said}" if ours else f"TLS: {said}"
    return error.strerror or str(error)
