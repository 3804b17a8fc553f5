"""How a PDU travels: MBAP over TCP, TLS and UDP; RTU and ASCII over serial lines and converters.

Pure: bytes in, bytes out, no clock and no socket. A framer holds the bytes of a frame that is not whole yet
and nothing else; whether a frame answers a request is decided by who asked.
"""

from typing import NamedTuple, Protocol

from edge_agent.drivers.modbus.pdu import BadReply

__all__ = ["BadReply", "Frame", "Framer"]


class Frame(NamedTuple):
    """One frame. `transaction` is 0 where frames have no such number."""

    transaction: int
    unit: int
    pdu: bytes


class Framer(Protocol):
    """Cuts a stream of bytes into frames.

    `numbered` tells whether a reply carries the number of its request, `repeats` whether what carries frames
    may deliver one twice.
    """

    numbered: bool
    repeats: bool

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """Return the bytes of a request."""
        ...

    def feed(self, data: bytes) -> list[Frame]:
        """Take what arrived and return the frames that are whole. Raises `BadReply` for what is none."""
        ...

    def reset(self) -> None:
        """Forget what arrived."""
        ...

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held, never more than one frame has."""
        ...
