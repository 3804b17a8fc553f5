"""The read plan: which requests fetch a set of values in the least time on the bus.

A request costs its overhead and then so much for each register. Reading over a gap wastes the gap's
registers and saves an overhead. The plan is the exact optimum: over values sorted by address, the best
plan of the first j is the best of some first i plus one request for the rest.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from edge_agent.core.bustime import NETWORK, Cost
from edge_agent.core.registers import BIT_TABLES, Address, Table


@dataclass(frozen=True, slots=True)
class Range:
    """Registers `first` to `last` of a table that no request may touch."""

    table: Table
    first: int
    last: int

    def touches(self, table: Table, start: int, stop: int) -> bool:
        """Whether any of it is within `start` up to but not including `stop`."""
        return table == self.table and start <= self.last and self.first < stop


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device lets be asked.

    No request is longer than `max_registers` or `max_bits` (the largest counts are those of the MODBUS
    Application Protocol V1.1b3, 6.1 to 6.4), reads over a gap longer than `max_gap`, or touches what is
    `forbidden`. An exception of `address_exceptions` speaks of an address; others pass.
    """

    max_gap: int = 16
    max_registers: int = 125
    max_bits: int = 2000
    forbidden: tuple[Range, ...] = ()
    address_exceptions: tuple[int, ...] = (2, 3)
    cost: Cost = NETWORK


DEFAULT_LIMITS = Limits()


@dataclass(slots=True)
class Span:
    """Registers that must not be split: one value, and whatever lies within it."""

    table: Table
    start: int
    stop: int
    rows: list[int]


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive registers or bits that one request moves; `rows` are the values that need it.

    `spans` are where it may be parted.
    """

    table: Table
    start: int
    count: int
    rows: npt.NDArray[np.intp]
    spans: tuple[Span, ...] = ()

    @property
    def stop(self) -> int:
        """The address after its last."""
        return self.start + self.count

    @property
    def size(self) -> int:
        """Length of the block's data in a PDU, in bytes."""
        return (self.count + 7) // 8 if self.table in BIT_TABLES else 2 * self.count


def spans_of(addresses: Sequence[Address]) -> list[Span]:
    """Return what has to be read, by table and sorted; starts and stops both rise within a table."""
    wanted = [(a.table, a.offset, -(a.offset + a.count), row) for row, a in enumerate(addresses)]
    for row, address in enumerate(addresses):
        if address.factor is not None:
            factor = address.factor
            wanted.append((factor.table, factor.offset, -(factor.offset + factor.count), row))
    spans: list[Span] = []
    for table, start, minus_stop, row in sorted(wanted):
        if spans and spans[-1].table == table and -minus_stop <= spans[-1].stop:
            spans[-1].rows.append(row)
        else:
            spans.append(Span(table, start, -minus_stop, [row]))
    return spans


def block_of(spans: Sequence[Span]) -> Block:
    """Return the block that covers neighbouring spans."""
    rows = np.unique([row for span in spans for row in span.rows])
    first, last = spans[0], spans[-1]
    return Block(first.table, first.start, last.stop - first.start, rows, tuple(spans))


def plan_blocks(addresses: Sequence[Address], limits: Limits) -> list[Block]:
    """Cover every address with the blocks that cost least; none holds a part of a value."""
    blocks: list[Block] = []
    request, register = limits.cost.request, limits.cost.register
    for table, group in groupby(spans_of(addresses), attrgetter("table")):
        spans = list(group)
        bits = table in BIT_TABLES
        most, each = (limits.max_bits, register / 16) if bits else (limits.max_registers, register)
        parts = _cheapest(spans, _cuts(spans, limits), most, request, each)
        blocks += [block_of(part) for part in parts]
    return blocks


def _cuts(spans: Sequence[Span], limits: Limits) -> set[int]:
    """Return the indices of spans that cannot be in one block with the span before them."""
    barred = [r for r in limits.forbidden if r.table == spans[0].table]
    return {
        i + 1
        for i, (a, b) in enumerate(pairwise(spans))
        if b.start - a.stop > limits.max_gap or any(r.touches(a.table, a.stop, b.start) for r in barred)
    }


def _cheapest(
    spans: Sequence[Span], cuts: set[int], most: int, request: float, each: float
) -> Iterable[Sequence[Span]]:
    """Part the spans so that the sum of `request + each * length` is least; no part is longer than `most`.

    The last part of the best plan up to span j starts at the i that makes best[i] - each * start[i] least
    among those still in reach. The reach only moves forward, so those that can still win form a queue.
    """
    best = [0.0]
    first = [0] * len(spans)
    queue: deque[tuple[float, int]] = deque()
    for j, span in enumerate(spans):
        if j in cuts:
            queue.clear()
        here = best[j] - each * span.start
        while queue and queue[-1][0] >= here:
            queue.pop()
        queue.append((here, j))
        while len(queue) > 1 and span.stop - spans[queue[0][1]].start > most:
            queue.popleft()
        least, first[j] = queue[0]
        best.append(least + request + each * span.stop)
    parts = []
    stop = len(spans)
    while stop:
        start = first[stop - 1]
        parts.append(spans[start:stop])
        stop = start
    return reversed(parts)


def holder(blocks: Sequence[Block], address: Address) -> int:
    """Return the index of the block that holds an address whole. `blocks` are as `plan_blocks` sorts them."""
    at = bisect_left(blocks, (address.table, address.offset + 1), key=lambda b: (b.table, b.start)) - 1
    while blocks[at].stop < address.offset + address.count:
        at -= 1
    return at
