"""Modbus requests, and what their replies must look like before a value exists.

MODBUS Application Protocol Specification V1.1b3. Pure: bytes in, bytes out.
"""

import struct
from dataclasses import dataclass

from edge_agent.core.readplan import Block
from edge_agent.core.registers import BIT_TABLES

READ_FUNCTION = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
WRITE_FUNCTION = {"coil": 15, "holding": 16}
LARGEST_WRITE = 123
"""Registers in one write request (6.12)."""
LARGEST_READ_WRITE = 121
"""Registers that one request may write that reads as well (6.17)."""
LARGEST_WRITE_BITS = 1968
"""Coils in one write request (6.11)."""
LONGEST = 253
"""Bytes of the longest PDU (4.1)."""

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target did not answer",
}
GATEWAY_SILENCE = (10, 11)
"""Codes by which a gateway says that the unit behind it is not there."""


class BadReply(Exception):
    """A reply that does not fit its request. Nothing that comes after it on this connection is safe."""


class DeviceException(Exception):
    """The device said no: `code` is its exception code (section 7)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code} ({EXCEPTIONS.get(code, 'unknown')})")
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """A request's `pdu`, and the replies that fit it: `length` bytes that begin with `head`.

    A `length` of None leaves it open, for the one function whose reply has no fixed length (6.21).
    """

    pdu: bytes
    head: bytes
    length: int | None

    def data(self, reply: bytes) -> bytes:
        """Return what follows the head of a reply. Raises `BadReply`, `DeviceException`."""
        if reply.startswith(self.head) and (self.length == len(reply) or self.length is None):
            return reply[len(self.head) :]
        function = self.pdu[0]
        if len(reply) == 2 and reply[0] == function | 0x80:
            raise DeviceException(reply[1])
        if reply[:1] != self.pdu[:1]:
            raise BadReply(
                f"a reply of function {reply[:1].hex() or 'none'} to a request of function {function}"
            )
        raise BadReply(
            f"the reply {reply[:16].hex()} of {len(reply)} bytes does not fit {self.pdu[:16].hex()}"
        )


def read(table: str, start: int, count: int) -> Request:
    """Build the request for `count` registers or bits: FC 1, 2, 3 or 4. Its data are theirs."""
    size = (count + 7) // 8 if table in BIT_TABLES else 2 * count
    function = READ_FUNCTION[table]
    return Request(struct.pack(">BHH", function, start, count), bytes((function, size)), 2 + size)


def read_block(block: Block) -> Request:
    """Build the request that reads a block."""
    return read(block.table, block.start, block.count)


def write_block(block: Block, data: bytes) -> Request:
    """Build the request that writes a block: FC 15 or 16."""
    head = struct.pack(">BHH", WRITE_FUNCTION[block.table], block.start, block.count)
    return Request(head + bytes((len(data),)) + data, head, 5)


def write_singly(block: Block, data: bytes) -> list[Request]:
    """Build the requests that write a block one register or coil at a time, so not as one frame: FC 5, 6."""
    if block.table in BIT_TABLES:
        return [write_coil(block.start + i, bool(data[i // 8] >> i % 8 & 1)) for i in range(block.count)]
    return [write_register(block.start + i, word) for i, (word,) in enumerate(struct.iter_unpack(">H", data))]


def write_masked(block: Block, data: bytes, mask: bytes) -> list[Request]:
    """Build the requests that write the bits of a block's registers that `mask` has: FC 22, one for each."""
    words = zip(struct.iter_unpack(">H", data), struct.iter_unpack(">H", mask), strict=True)
    return [mask_register(block.start + i, 0xFFFF ^ bits, word) for i, ((word,), (bits,)) in enumerate(words)]


def merged(before: bytes, data: bytes, mask: bytes) -> bytes:
    """Return `before` with the bits of `data` where `mask` has them: what read-modify-write writes."""
    return bytes(b & ~m & 0xFF | d & m for b, d, m in zip(before, data, mask, strict=True))


def write_coil(address: int, value: bool) -> Request:
    """Build the request that writes one coil: FC 5, echoed whole."""
    return _echoed(struct.pack(">BHH", 5, address, 0xFF00 if value else 0))


def write_register(address: int, word: int) -> Request:
    """Build the request that writes one register: FC 6, echoed whole."""
    return _echoed(struct.pack(">BHH", 6, address, word))


def mask_register(address: int, keep: int, put: int) -> Request:
    """Build the request that makes a register ``(register & keep) | (put & ~keep)``: FC 22, echoed whole."""
    return _echoed(struct.pack(">BHHH", 22, address, keep, put))


def read_write(start: int, count: int, write_start: int, data: bytes) -> Request:
    """Build the request that first writes registers, then reads `count` others: FC 23."""
    head = struct.pack(">BHHHHB", 23, start, count, write_start, len(data) // 2, len(data))
    return Request(head + data, bytes((23, 2 * count)), 2 + 2 * count)


def _echoed(pdu: bytes) -> Request:
    return Request(pdu, pdu, len(pdu))
