"""Modbus RTU frames (MODBUS over Serial Line V1.02, 2.5.1).

The length follows from the function code, so that a frame ends where it ends, whatever gaps a converter or an
operating system puts into it.
"""

from edge_agent.core.resultblock import crc16
from edge_agent.drivers.modbus import identification
from edge_agent.drivers.modbus.frames import BadReply, Frame

LONGEST = 256
_TURN_AROUND = b"\x00\xff"
"""What a two-wire line shows when its driver turns round. No unit that answers has such an address."""
_COUNTED = (1, 2, 3, 4, 23)
_FIXED = {5: 8, 6: 8, 15: 8, 16: 8, 22: 10}


class Rtu:
    """Replies on a line that carries one at a time."""

    numbered = False
    repeats = False

    def __init__(self) -> None:
        self._buffer = b""

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:  # noqa: ARG002 - frames have no number
        """Return the bytes of a request."""
        frame = bytes((unit,)) + pdu
        return frame + crc16(frame).to_bytes(2, "little")

    def feed(self, data: bytes) -> list[Frame]:
        """Take what arrived and return the frames that are whole. Raises `BadReply`."""
        buffer = self._buffer + data
        frames = []
        while buffer := buffer.lstrip(_TURN_AROUND):
            length = _length(buffer)
            if length is None or len(buffer) < length:
                break
            end = length - 2
            if crc16(buffer[:end]).to_bytes(2, "little") != buffer[end:length]:
                raise BadReply(f"a wrong CRC: {buffer[:16].hex()}")
            frames.append(Frame(0, buffer[0], buffer[1:end]))
            buffer = buffer[length:]
        self._buffer = buffer
        return frames

    def reset(self) -> None:
        """Forget what arrived."""
        self._buffer = b""

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return len(self._buffer)


def _length(frame: bytes) -> int | None:
    """Return the length of the reply that begins here, address and CRC included, None if not known yet."""
    if len(frame) < 3:
        return None
    function = frame[1]
    if function & 0x80:
        return 5
    if function in _FIXED:
        return _FIXED[function]
    if function in _COUNTED:
        length: int | None = 5 + frame[2]
    elif function == 43:
        pdu = identification.length(frame[1:])
        length = 3 + pdu if pdu else None
    else:
        raise BadReply(f"a reply of function {function}: {frame[:16].hex()}")
    if (length or len(frame)) > LONGEST:
        raise BadReply(f"a frame of more than {LONGEST} bytes: {frame[:16].hex()}")
    return length
