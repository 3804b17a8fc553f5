"""Modbus ASCII frames (MODBUS over Serial Line V1.02, 2.5.2): a colon, hexadecimal digits, CR LF."""

import binascii

from edge_agent.drivers.modbus.frames import BadReply, Frame

LONGEST = 513
"""Characters of the longest frame."""


class Ascii:
    """Replies on a line that carries one at a time. A colon begins a frame, whatever came before it."""

    numbered = False
    repeats = False

    def __init__(self) -> None:
        self._buffer = b""

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:  # noqa: ARG002 - frames have no number
        """Return the bytes of a request."""
        frame = bytes((unit,)) + pdu
        return b":" + binascii.hexlify(frame + bytes((_lrc(frame),))).upper() + b"\r\n"

    def feed(self, data: bytes) -> list[Frame]:
        """Take what arrived and return the frames that are whole. Raises `BadReply`."""
        *lines, rest = (self._buffer + data).split(b"\r\n")
        frames = [_frame(line[line.rindex(b":") + 1 :]) for line in lines if b":" in line]
        self._buffer = rest[rest.rindex(b":") :] if b":" in rest else b""
        if len(self._buffer) > LONGEST:
            self._buffer = b""
            raise BadReply(f"a frame of more than {LONGEST} characters")
        return frames

    def reset(self) -> None:
        """Forget what arrived."""
        self._buffer = b""

    @property
    def pending(self) -> int:
        """How many characters of an unfinished frame are held."""
        return len(self._buffer)


def _frame(digits: bytes) -> Frame:
    try:
        frame = binascii.unhexlify(digits)
    except binascii.Error as error:
        raise BadReply(f"not a Modbus ASCII frame: {digits[:32]!r}: {error}") from None
    if len(frame) < 3 or len(frame) > LONGEST // 2:
        raise BadReply(f"a frame of {len(frame)} bytes")
    if _lrc(frame[:-1]) != frame[-1]:
        raise BadReply(f"a wrong LRC: {digits[:32]!r}")
    return Frame(0, frame[0], frame[1:-1])


def _lrc(frame: bytes) -> int:
    return -sum(frame) & 0xFF
