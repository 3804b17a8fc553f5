"""One scan class of a Modbus device without its I/O: parts to ask for out, data in, columns out."""

from collections.abc import Sequence

import numpy as np

from edge_agent.core.codec import Codec
from edge_agent.core.decoder import Decoder
from edge_agent.core.quarantine import Part, Quarantine
from edge_agent.core.readplan import Block, Limits, plan_blocks
from edge_agent.core.registers import BIT_TABLES, Address
from edge_agent.core.tags import Bytes, Columns, Grader, Reason, Tag

MOST_TOLD = 8
"""Addresses that one sentence names."""


class ReadCycle:
    """Compiled once for a fixed list of tags; one cycle at a time.

    A cycle is `begin`, everything it returns settled by `answered` or `refused`, then the same with `more`
    until there is none, then `columns`. Times are monotonic, in ns.
    """

    def __init__(self, tags: Sequence[Tag], limits: Limits) -> None:
        self.tags = list(tags)
        addresses = [address_of(tag) for tag in tags]
        self.blocks = plan_blocks(addresses, limits)
        self._codec = Codec(addresses, self.blocks)
        self._grader = Grader(self.tags)
        self._quarantine = Quarantine(self.blocks)
        self._address_exceptions = limits.address_exceptions
        self._homes = [
            (block.start, place, block.table in BIT_TABLES)
            for block, place in zip(self.blocks, self._codec.layout.places, strict=True)
        ]
        self.move(memoryview(bytearray(self.size)))
        self._failed: list[Block] = []
        self.open = 0
        """How many requests of this cycle are not settled."""
        self.spoilt = False
        """Whether rows of this cycle have no data, see `explain`."""

    def __len__(self) -> int:
        return self._codec.rows

    @property
    def size(self) -> int:
        """How many bytes of a buffer its data take."""
        return self._codec.layout.size + 1

    @property
    def decoder(self) -> Decoder:
        """How these bytes are to be read."""
        return self._codec.decoder

    def move(self, home: memoryview) -> None:
        """Keep the data here from now on, uint8[size] of zeros."""
        self._bytes = home
        self._buffer = np.frombuffer(home, np.uint8)
        # Where whole blocks of registers go; bits are not stored as they come.
        self._whole = [
            None if is_bits else home[place : place + 2 * block.count]
            for block, (_, place, is_bits) in zip(self.blocks, self._homes, strict=True)
        ]

    def begin(self, now: int, stored: int = 0) -> list[Part]:
        """Begin a cycle, in which so many of the first blocks are stored already."""
        self._failed = []
        asked = self._quarantine.begin(now)
        self.spoilt = self.torn
        if stored:
            assert not self.torn, "a block that was refused has parts"
            asked = asked[stored:]
        self.open = len(asked)
        return asked

    def store(self, of: int, data: bytes) -> None:
        """Take the data of the whole block with index `of`, in a cycle that `begin` will be told of."""
        home = self._whole[of]
        if home is None:
            self._put(self.blocks[of], of, data)
        else:
            home[:] = data

    @property
    def torn(self) -> bool:
        """Whether the device has refused any of the planned blocks."""
        return self._quarantine.is_needed

    def more(self) -> list[Part]:
        """Return what else to ask in this cycle."""
        asked = self._quarantine.more()
        self.open += len(asked)
        return asked

    def answered(self, part: Part, data: bytes) -> None:
        """Take the data of a reply, as long as its block's `size`."""
        self._put(part.block, part.of, data)
        if self._quarantine.is_needed:
            self._quarantine.answered(part)
        self.open -= 1

    def _put(self, block: Block, of: int, data: bytes) -> None:
        first, place, is_bits = self._homes[of]
        ahead, count = block.start - first, block.count
        # Data of another length would have to move the buffer, which cannot: numpy looks at it.
        if is_bits:
            bits = np.unpackbits(np.frombuffer(data, np.uint8), count=count, bitorder="little")
            self._bytes[place + ahead : place + ahead + count] = bits.tobytes()
        else:
            place += 2 * ahead
            self._bytes[place : place + 2 * count] = data

    def refused(self, part: Part, code: int) -> None:
        """Take an exception code instead of a reply."""
        self.spoilt = True
        if code in self._address_exceptions:
            self._quarantine.refused(part)
        else:
            self._failed.append(part.block)
        self.open -= 1

    def columns(self, now: int) -> Columns:
        """End the cycle."""
        reason = np.zeros(len(self), np.uint8)
        self.explain(reason)
        raw, reason, exact = self._codec.decode(self._buffer, reason)
        return self._grader.grade(raw, reason, now, exact)

    def explain(self, reason: Bytes) -> None:
        """End the cycle: put in `reason`, uint8[len] of zeros, why rows have no data."""
        assert self.open == 0, "a request of this cycle is not settled"
        for block in self._failed:
            reason[block.rows] = Reason.DEVICE_REFUSED
        if self._quarantine.is_needed:
            for block in self._quarantine.suspects:
                reason[block.rows] = Reason.DEVICE_REFUSED
            for block in self._quarantine.bad:
                reason[block.rows] = Reason.QUARANTINED

    @property
    def quarantined(self) -> list[str]:
        """The names of the tags that stand in quarantine."""
        return [self.tags[row].name for block in self._quarantine.bad for row in block.rows]

    def news(self) -> list[str]:
        """Return a sentence on what went into quarantine since the last, and one on what came out of it."""
        if not self._quarantine.changes:
            return []
        changes, self._quarantine.changes = self._quarantine.changes, []
        bad = [self._place(change.block) for change in changes if change.bad]
        good = [self._place(change.block) for change in changes if not change.bad]
        told = ((bad, "refused, BAD, and asked again ever more rarely"), (good, "answered again"))
        return [f"{what}: {_listed(places)}" for places, what in told if places]

    def _place(self, block: Block) -> str:
        last = f"-{block.stop - 1}" if block.count > 1 else ""
        return f"{block.table} {block.start}{last} ({', '.join(self.tags[row].name for row in block.rows)})"


def _listed(places: list[str]) -> str:
    more = len(places) - MOST_TOLD
    return ", ".join(places[:MOST_TOLD]) + (f" and {more} more" if more > 0 else "")


def address_of(tag: Tag) -> Address:
    """Return the tag's Modbus address."""
    assert isinstance(tag.address, Address), f"{tag.name} has no Modbus address"
    return tag.address
