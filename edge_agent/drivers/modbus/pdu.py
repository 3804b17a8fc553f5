"""Modbus requests, and what their replies must look like before a value exists.

MODBUS Application Protocol Specification V1.1b3. Pure: bytes in, bytes out.
"""

import struct

from edge_agent.core.registers import Block

READ_FUNCTION = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
WRITE_FUNCTION = {"coil": 15, "holding": 16}
LARGEST_WRITE = 123
"""Registers in one write request (6.12)."""

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


class BadReply(Exception):
    """A reply that does not fit its request. Nothing that comes after it on this connection is safe."""


class DeviceException(Exception):
    """The device said no: `code` is its exception code (section 7)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code} ({EXCEPTIONS.get(code, 'unknown')})")
        self.code = code


def read_request(block: Block) -> bytes:
    """Build the request that reads a block: FC 1, 2, 3 or 4."""
    return struct.pack(">BHH", READ_FUNCTION[block.table], block.start, block.count)


def read_reply(block: Block, reply: bytes) -> bytes:
    """Return the data of a reply to `read_request`. Raises `BadReply`, `DeviceException`."""
    _check_function(READ_FUNCTION[block.table], reply)
    if len(reply) != 2 + block.size or reply[1] != block.size:
        raise BadReply(f"{len(reply) - 2} bytes of data for {block.count} of {block.table} {block.start}")
    return reply[2:]


def write_request(block: Block, data: bytes) -> bytes:
    """Build the request that writes a block: FC 15 or 16."""
    head = struct.pack(">BHHB", WRITE_FUNCTION[block.table], block.start, block.count, len(data))
    return head + data


def check_write_reply(block: Block, reply: bytes) -> None:
    """Check the echo of a write. Raises `BadReply`, `DeviceException`."""
    _check_function(WRITE_FUNCTION[block.table], reply)
    if reply[1:] != struct.pack(">HH", block.start, block.count):
        raise BadReply(f"the echo of a write to {block.table} {block.start} is {reply.hex()}")


def _check_function(function: int, reply: bytes) -> None:
    if len(reply) == 2 and reply[0] == function | 0x80:
        raise DeviceException(reply[1])
    if not reply or reply[0] != function:
        raise BadReply(f"a reply of function {reply[:1].hex() or 'none'} to a request of function {function}")
