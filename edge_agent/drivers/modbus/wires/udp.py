"""UDP: one frame a datagram, from and to one address."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from edge_agent.drivers.modbus.wires import Listener, Wire
from edge_agent.drivers.modbus.wires.system import reason


@dataclass(frozen=True, slots=True)
class Udp:
    """A UDP server. The kernel drops what comes from any other address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port} (UDP)"

    async def open(self, listener: Listener, timeout: float) -> Wire:
        """Bind and connect a socket; whether anybody is there shows with the first answer. Raises OSError."""
        async with asyncio.timeout(timeout):
            try:
                _, wire = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _Datagrams(listener), remote_addr=(self.host, self.port)
                )
            except UnicodeError as error:
                raise OSError(f"no host can be named {self.host!r}: {error}") from None
        return wire


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, listener: Listener) -> None:
        self._listener: Listener | None = listener
        self._transport: asyncio.DatagramTransport | None = None

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data)

    def unread(self) -> bool:
        return False  # its frames have numbers: whatever comes is told apart

    def close(self) -> None:
        self._listener = None
        if self._transport is not None:
            with suppress(OSError):
                self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - it is connected
        if self._listener is not None:
            self._listener.received(data)

    def error_received(self, exc: Exception) -> None:
        """A port that nobody listens on is told by ICMP."""
        if self._listener is not None:
            self._listener.lost(reason(exc) if isinstance(exc, OSError) else str(exc))
