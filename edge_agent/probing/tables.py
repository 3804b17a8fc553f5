"""Which registers or bits of a table a unit serves, and how many at once."""

from collections.abc import Sequence

from edge_agent.core.registers import BIT_TABLES
from edge_agent.probing.found import LARGEST, TableFound
from edge_agent.probing.gaps import find_gaps
from edge_agent.probing.prober import Prober

STEP = 100
"""Registers that are tried in one request; what lies between refused ones is looked at by halves."""


async def look(prober: Prober, found: TableFound, addresses: range) -> None:
    """Note in `found` whatever is learnt of a table, as soon as it is."""
    looking = _Looking(prober, found, addresses.start)
    prober.refused = found.refused
    for start in range(addresses.start, addresses.stop, STEP):
        await looking.serve(start, min(start + STEP, addresses.stop) - 1)
    await looking.measure()
    await find_gaps(prober, found, looking.cells)


class _Looking:
    """A table, what its `cells` held, and how many came with one answer."""

    def __init__(self, prober: Prober, found: TableFound, start: int) -> None:
        self._prober, self._found, self._start = prober, found, start
        self.cells: dict[int, int] = {}
        self._most = 1

    async def serve(self, first: int, last: int) -> None:
        """Find what is served of `first` to `last`. Between two refused addresses nothing is looked for."""
        await self._serve(first, last)
        self._found.tried = self._start, last

    async def _serve(self, first: int, last: int) -> None:
        came = await self._prober.cells(self._found.table, first, last - first + 1)
        if came is not None:
            self._found.add(first, last)
            self.cells.update(enumerate(came, first))
            self._most = max(self._most, len(came))
            return
        if first == last:
            return
        middle = min((first + last) // 2 | 1, last - 1)
        if await self._anything((first, middle, last)):
            await self.serve(first, middle)
            await self.serve(middle + 1, last)

    async def _anything(self, places: Sequence[int]) -> bool:
        """Whether anything is served at these addresses. Meters of 32-bit values serve only even pairs."""
        if any([await self._serves(at, 1) for at in places]):
            return True
        if self._found.table in BIT_TABLES:
            return False
        return any([await self._serves(at & ~1, 2) for at in places])

    async def _serves(self, start: int, count: int) -> bool:
        return await self._prober.cells(self._found.table, start, count) is not None

    async def measure(self) -> None:
        """Find the longest request that is answered, by halves, at the longest range."""
        first, last = max(self._found.ranges, key=lambda span: span[1] - span[0], default=(0, 0))
        length, limit = last - first + 1, LARGEST[self._found.table]
        grain = 1 if length == 1 or await self._serves(first, 1) else 2
        low, high = self._most // grain, min(limit, length) // grain
        while low < high:
            count = (low + high + 1) // 2
            if await self._serves(first, count * grain):
                low = count
            else:
                high = count - 1
        if low * grain < length or length >= limit:
            self._found.largest = low * grain
