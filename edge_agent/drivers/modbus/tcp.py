"""One Modbus TCP connection: one request in flight, every reply checked against it.

MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3. A connection that showed one wrong frame
is closed: what follows in the stream could be the answer to something else.
"""

import asyncio
import secrets
import struct
from contextlib import suppress
from typing import cast

from edge_agent.drivers.modbus.pdu import BadReply

_MBAP = struct.Struct(">HHHB")
_LONGEST_PDU = 253


class Connection(asyncio.Protocol):
    """Made by `loop.create_connection`; use `transact` from one task at a time. `timeout` is in seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        # Not from the same number every time: an answer to an earlier connection must not fit by chance.
        self._transaction = secrets.randbelow(0xFFFF)
        self._unit = 0
        self._reply: asyncio.Future[bytes] | None = None
        self._broken: Exception | None = None

    async def transact(self, unit: int, pdu: bytes) -> bytes:
        """Send a request and return the reply's PDU. Raises `BadReply`, TimeoutError, ConnectionError."""
        if self._broken or self._transport is None:
            raise self._broken or ConnectionError("not connected")
        self._transaction = self._transaction % 0xFFFF + 1
        self._unit = unit
        loop = asyncio.get_running_loop()
        self._reply = loop.create_future()
        deadline = loop.call_later(self._timeout, self._break, TimeoutError("no answer"))
        self._transport.write(_MBAP.pack(self._transaction, 0, len(pdu) + 1, unit) + pdu)
        try:
            return await self._reply
        finally:
            deadline.cancel()
            self._reply = None

    def close(self) -> None:
        """Drop the connection at once, with whatever is still unsent or unread."""
        self._break(ConnectionError("closed"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Collect bytes until they are a frame."""
        self._buffer += data
        if len(self._buffer) < _MBAP.size:
            return
        transaction, protocol, length, unit = _MBAP.unpack_from(self._buffer)
        if protocol != 0 or not 2 <= length <= _LONGEST_PDU + 1:
            self._break(BadReply(f"not a Modbus TCP frame: {self._buffer[:16].hex()}"))
        elif len(self._buffer) > length + 6:
            self._break(BadReply("more bytes than one reply"))
        elif len(self._buffer) == length + 6:
            pdu = bytes(self._buffer[_MBAP.size :])
            self._buffer.clear()
            if self._reply is None or self._reply.done():
                self._break(BadReply("a reply that nobody asked for"))
            elif (transaction, unit) != (self._transaction, self._unit):
                self._break(
                    BadReply(
                        f"transaction {transaction} of unit {unit} answers "
                        f"transaction {self._transaction} of unit {self._unit}"
                    )
                )
            else:
                self._reply.set_result(pdu)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits."""
        self._break(exc if isinstance(exc, ConnectionError) else ConnectionError("closed by the device"))

    def _break(self, why: Exception) -> None:
        self._broken = self._broken or why
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(why)
        if self._transport is not None:
            with suppress(OSError):
                self._transport.abort()
