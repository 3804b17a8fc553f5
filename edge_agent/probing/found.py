"""What was found behind a Modbus address, and which lines of a configuration follow from it."""

import json
from collections.abc import Iterator

import msgspec

from edge_agent.core.explain import Explanation
from edge_agent.core.registers import BIT_TABLES, Table

LARGEST = {"holding": 125, "input": 125, "coil": 2000, "discrete": 2000}
MOST_FORBIDDEN = 8
"""Holes that are named one by one; of more a `max_gap` keeps all requests away."""
LONGEST_GAP = 123
"""Registers that may lie between the first and the last one of the longest request."""
_KEYS = {True: "max_bits", False: "max_registers"}

Span = tuple[int, int]
"""First and last address."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """A number that somebody sees: at `address` of the holding or input registers, within `tolerance`."""

    address: int
    value: float
    tolerance: float


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """What explains an expected value, best first; none if nothing does.

    `held` is what the registers from the address on hold in each table, `refused` what the unit answered
    instead.
    """

    address: int
    value: float
    held: dict[str, list[int]]
    refused: dict[str, str]
    explanations: list[Explanation]


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Registers or bits that are refused when nothing else is asked for.

    `answered` says whether a longer request over them is; `fill` is then what comes for them.
    """

    first: int
    last: int
    answered: bool
    fill: list[int] = msgspec.field(default_factory=list)


class TableFound(msgspec.Struct, kw_only=True):
    """`ranges` are what is served; `largest` is None if none was long enough to tell.

    `tried` are the addresses that were looked at so far, `refused` how often which answer came that was none;
    of those that fit no request one is kept as it came.
    """

    table: Table
    tried: Span | None = None
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    ranges: list[Span] = msgspec.field(default_factory=list)
    largest: int | None = None
    gaps: list[Gap] = msgspec.field(default_factory=list)

    def add(self, first: int, last: int) -> None:
        """Note that these are served; the neighbours of what was noted last become one range with it."""
        if self.ranges and self.ranges[-1][1] + 1 == first:
            first = self.ranges.pop()[0]
        self.ranges.append((first, last))

    @property
    def reach(self) -> int:
        """The longest gap that the longest request may have."""
        return max(0, (self.largest or LARGEST[self.table]) - 2)

    def reaches_over(self, first: int, last: int) -> bool:
        """Whether a request may be long enough for a gap."""
        return last - first < self.reach

    def holes(self) -> list[Span]:
        """Return what lies between the ranges and is not read over."""
        read_over = {(gap.first, gap.last) for gap in self.gaps if gap.answered}
        edges = zip(self.ranges, self.ranges[1:], strict=False)
        holes = [(before[1] + 1, after[0] - 1) for before, after in edges]
        return [hole for hole in holes if hole not in read_over]


class UnitFound(msgspec.Struct, kw_only=True):
    """One unit that answers. `wrong` is its first answer if that fitted no request.

    `unnamed` is why it says no more of itself than `identification`.
    """

    unit: int
    wrong: str = ""
    identification: dict[str, str] = msgspec.field(default_factory=dict)
    unnamed: str = ""
    tables: list[TableFound] = msgspec.field(default_factory=list)
    expected: list[Explained] = msgspec.field(default_factory=list)

    def keys(self) -> Iterator[str]:
        """Yield the lines of the device's table that keep its requests to what was answered here."""
        served = [table for table in self.tables if table.ranges]
        for bits, key in _KEYS.items():
            known = [t.largest for t in served if t.largest and (t.table in BIT_TABLES) == bits]
            if known:
                yield f"{key} = {min(known)}"
        if not served:
            return
        holes = [(t.table, *hole) for t in served for hole in t.holes() if t.reaches_over(*hole)]
        if len(holes) > MOST_FORBIDDEN:
            yield f"max_gap = {min(last - first for _, first, last in holes)}"
            return
        yield f"max_gap = {min((t.reach for t in served if t.table not in BIT_TABLES), default=LONGEST_GAP)}"
        if holes:
            yield f"forbidden = {json.dumps([f'{table} {first}-{last}' for table, first, last in holes])}"


class Found(msgspec.Struct, kw_only=True):
    """What was found so far; `complete` once everything was asked."""

    units: list[UnitFound] = msgspec.field(default_factory=list)
    silent: list[int] = msgspec.field(default_factory=list)
    requests: int = 0
    complete: bool = False
