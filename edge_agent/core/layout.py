"""Where in a buffer the bytes of blocks and values stand."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from edge_agent.core.kinds import KINDS
from edge_agent.core.readplan import Block, holder
from edge_agent.core.registers import BIT_TABLES, Address


class Layout:
    """Blocks laid end to end: a register takes two bytes, a coil or discrete input one.

    `places` says where each block starts. One more byte after `size` stays 0.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        widths = [block.count if block.table in BIT_TABLES else 2 * block.count for block in blocks]
        self.places = [0, *accumulate(widths)]
        self.size = self.places.pop()

    def index(self, address: Address) -> npt.NDArray[np.intp]:
        """Return where a value's bytes stand: a text's in turn, a number's from the least significant."""
        at = holder(self._blocks, address)
        ahead = address.offset - self._blocks[at].start
        if address.table in BIT_TABLES:
            return np.array([self.places[at] + ahead])
        first = self.places[at] + 2 * ahead
        if address.type == "string":
            swap = address.order == "BA"
            return np.array([first + (i ^ swap) for i in range(address.length)])
        if address.letters == "HL":
            return np.array([first + (address.order != "H")])
        letters = address.letters or "AB"
        order = address.order or letters
        carrier = KINDS["uint16" if address.type == "bool" else address.type].carrier
        unused = [self.size] * (carrier.itemsize - len(letters))
        return np.array([*(first + order.index(letter) for letter in reversed(letters)), *unused])

    def data(self, buffer: bytearray) -> list[bytes]:
        """Return the data of each block as a PDU has them."""
        return [_data(block, buffer[place:]) for block, place in zip(self._blocks, self.places, strict=True)]


def _data(block: Block, buffer: bytearray) -> bytes:
    if block.table in BIT_TABLES:
        return np.packbits(np.frombuffer(buffer, np.uint8)[: block.count], bitorder="little").tobytes()
    return bytes(buffer[: block.size])
