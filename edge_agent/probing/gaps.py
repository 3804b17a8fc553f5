"""What a unit does with a request over registers that it does not have: it refuses, or fills them.

A unit that fills serves a whole range at first sight. What it does not have shows when asked for alone.
"""

from collections.abc import Iterator, Mapping

from edge_agent.probing.found import Gap, Span, TableFound
from edge_agent.probing.prober import Prober

MOST_GAPS = 8
"""Gaps of a table that are looked at."""
MOST_ALONE = 20
"""Addresses of a table that are asked for alone."""
PIECE = 16
"""How long a run of one and the same number may be until more than one address of it is asked for."""
_MOST_FILL = 4


async def find_gaps(prober: Prober, found: TableFound, cells: Mapping[int, int]) -> None:
    """Note the gaps of a table whose ranges hold `cells`: those within the ranges, and between them."""
    for run, at in _suspects(found, cells):
        if len(found.gaps) == MOST_GAPS:
            break
        known = any(gap.first <= at <= gap.last for gap in found.gaps)
        if not known and not await prober.serves(found.table, at, 1):
            first, last = await _extent(prober, found, run, at)
            found.gaps.append(Gap(first=first, last=last, answered=True, fill=[cells[at]]))
    holes = [hole for hole in found.holes() if found.reaches_over(*hole)]
    for first, last in sorted(holes, key=lambda hole: hole[1] - hole[0])[:MOST_GAPS]:
        came = await prober.cells(found.table, first - 1, last - first + 3)
        fill = list(dict.fromkeys(came[1:-1]))[:_MOST_FILL] if came else []
        found.gaps.append(Gap(first=first, last=last, answered=came is not None, fill=fill))


def _suspects(found: TableFound, cells: Mapping[int, int]) -> list[tuple[Span, int]]:
    """Return addresses that may be filled, from all over the ranges, each with the run of its like."""
    suspects = [
        (run, (at + min(at + PIECE, run[1] + 1)) // 2)
        for run in _runs(found, cells)
        for at in range(run[0], run[1] + 1, PIECE)
    ]
    return suspects[:: -(-len(suspects) // MOST_ALONE) or 1]


def _runs(found: TableFound, cells: Mapping[int, int]) -> Iterator[Span]:
    """Yield runs of two or more of the same number within the ranges."""
    for first, last in found.ranges:
        start = first
        for at in range(first, last + 1):
            if at == last or cells[at + 1] != cells[at]:
                if at > start:
                    yield start, at
                start = at + 1


async def _extent(prober: Prober, found: TableFound, run: Span, at: int) -> Span:
    """Return from where to where around `at` addresses of a run are refused alone, by halves."""
    first = last = at
    low, high = run
    while low < first:
        middle = (low + first) // 2
        if await prober.serves(found.table, middle, 1):
            low = middle + 1
        else:
            first = middle
    while last < high:
        middle = (last + high + 1) // 2
        if await prober.serves(found.table, middle, 1):
            high = middle - 1
        else:
            last = middle
    return first, last
