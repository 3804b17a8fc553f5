"""Modbus TCP frames (MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3)."""

import struct

from edge_agent.drivers.modbus.frames import BadReply, Frame
from edge_agent.drivers.modbus.pdu import LONGEST

HEAD = struct.Struct(">HHHB")
"""Transaction, protocol, length of what follows, unit."""
LAST = 0xFFFF
"""The largest number of a transaction; ours go from 1 to it and begin again."""


class Mbap:
    """Frames in a stream of bytes."""

    numbered = True
    repeats = False

    def __init__(self) -> None:
        self._buffer = b""

    @staticmethod
    def encode(transaction: int, unit: int, pdu: bytes) -> bytes:
        """Return the bytes of a request."""
        return HEAD.pack(transaction, 0, len(pdu) + 1, unit) + pdu

    def feed(self, data: bytes) -> list[Frame]:
        """Take what arrived and return the frames that are whole. Raises `BadReply`."""
        buffer = self._buffer + data if self._buffer else bytes(data)
        frames = []
        at = 0
        while len(buffer) - at >= HEAD.size:
            transaction, protocol, length, unit = HEAD.unpack_from(buffer, at)
            if protocol != 0 or not 2 <= length <= LONGEST + 1:
                raise BadReply(f"not a Modbus TCP frame: {buffer[at : at + 16].hex()}")
            end = at + 6 + length
            if len(buffer) < end:
                break
            frames.append(Frame(transaction, unit, buffer[at + HEAD.size : end]))
            at = end
        self._buffer = buffer[at:]
        return frames

    def reset(self) -> None:
        """Forget what arrived."""
        self._buffer = b""

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return len(self._buffer)


class MbapDatagram(Mbap):
    """One frame in each datagram, as UDP carries them."""

    repeats = True

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frame of one datagram. Raises `BadReply`."""
        self._buffer = b""
        frames = super().feed(data)
        if len(frames) != 1 or self._buffer:
            self._buffer = b""
            raise BadReply(f"a datagram that is not one frame: {data[:16].hex()}")
        return frames
