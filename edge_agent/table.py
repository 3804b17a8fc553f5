"""The latest value of every tag: scans write it, a process image is a frozen copy of it."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge_agent.core.tags import Columns, Quality, Reason

STALE = 2.5
"""Periods of its scan class after which a value is too old to use."""


class Table:
    """The latest value of every tag. Written by scans as answers arrive, read through `image`."""

    def __init__(self, longest_age: npt.NDArray[np.int64]) -> None:
        self._longest_age = longest_age
        self.latest = Columns.bad(len(longest_age), Reason.NEVER_READ, 0)
        self._exact: dict[int, Mapping[int, int | str]] = {}

    def put(self, rows: slice, columns: Columns) -> None:
        """Store one scan class."""
        latest = self.latest
        latest.value[rows], latest.quality[rows] = columns.value, columns.quality
        latest.reason[rows], latest.at[rows] = columns.reason, columns.at
        if columns.exact or rows.start in self._exact:
            self._exact[rows.start] = columns.exact

    def spoil(self, rows: slice, reason: Reason, at: int) -> None:
        """Store that one scan class is BAD as a whole."""
        latest = self.latest
        latest.value[rows], latest.quality[rows] = np.nan, Quality.BAD
        latest.reason[rows], latest.at[rows] = reason, at
        self._exact.pop(rows.start, None)

    @property
    def exact(self) -> dict[int, int | str]:
        """What a float64 cannot say, by row: see `Columns.exact`."""
        return {start + row: said for start, part in self._exact.items() for row, said in part.items()}

    def image(self, now: int) -> Columns:
        """Freeze a process image; what is too old is BAD."""
        latest = self.latest
        stale = (now - latest.at > self._longest_age) & (latest.quality != Quality.BAD)
        if stale.any():
            latest.value[stale], latest.quality[stale] = np.nan, Quality.BAD
            latest.reason[stale] = Reason.STALE
        return latest.frozen()
