"""By which requests outputs are written, as their device lets it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edge_agent.core.codec import Codec
from edge_agent.core.readplan import Block, Limits, plan_blocks
from edge_agent.core.registers import BIT_TABLES, Address
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.pdu import Request

Way = Literal["multiple", "single", "read-write"]


@dataclass(frozen=True, slots=True)
class Habits:
    """What a device asks of writes.

    Whole registers go by FC 16, one by one by FC 6, or by FC 23, which reads them as well. What that reads
    is no read-back: there are devices that leave it open where both ranges overlap. Coils go by FC 15 or 5,
    parts of registers by FC 22, or by `rewriting` registers that were read.
    """

    writes: Way = "multiple"
    rewriting: bool = False

    @property
    def limits(self) -> Limits:
        """What one request may hold; what stands between outputs is never written."""
        most = pdu.LARGEST_READ_WRITE if self.writes == "read-write" else pdu.LARGEST_WRITE
        return Limits(max_gap=0, max_registers=most, max_bits=pdu.LARGEST_WRITE_BITS)


DEFAULT_HABITS = Habits()


@dataclass(frozen=True, slots=True)
class WritePlan:
    """Blocks of outputs that are written together, in turn.

    Of a block of registers with `masks` that are not whole only those bits are written.
    """

    blocks: list[Block]
    codec: Codec
    masks: list[bytes]


def plan_write(addresses: Sequence[Address], habits: Habits) -> WritePlan:
    """Compile outputs."""
    blocks = plan_blocks(addresses, habits.limits)
    codec = Codec(addresses, blocks)
    return WritePlan(blocks, codec, codec.masks())


def is_rewritten(block: Block, mask: bytes, habits: Habits) -> bool:
    """Whether a block is read first, and written whole with what was there."""
    return habits.rewriting and _is_part(block, mask)


def requests(block: Block, data: bytes, mask: bytes, habits: Habits) -> list[Request]:
    """Build the requests that write a block; `data` are whole if it `is_rewritten`."""
    if _is_part(block, mask) and not habits.rewriting:
        return pdu.write_masked(block, data, mask)
    if habits.writes == "single":
        return pdu.write_singly(block, data)
    if habits.writes == "read-write" and block.table not in BIT_TABLES:
        return [pdu.read_write(block.start, block.count, block.start, data)]
    return [pdu.write_block(block, data)]


def exchanges(plan: WritePlan, habits: Habits) -> list[Request]:
    """Return all that is sent to write a plan's outputs, whatever their values."""
    found: list[Request] = []
    for block, mask in zip(plan.blocks, plan.masks, strict=True):
        if is_rewritten(block, mask, habits):
            found.append(pdu.read_block(block))
        found += requests(block, bytes(block.size), mask, habits)
    return found


def _is_part(block: Block, mask: bytes) -> bool:
    return block.table not in BIT_TABLES and mask.count(0xFF) < len(mask)
