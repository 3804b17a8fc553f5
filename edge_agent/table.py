"""The latest value of every tag: scans write it, a process image is a frozen copy of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edge_agent.core.tags import Columns, Quality, Reason
from edge_agent.moment import Suspend

STALE = 2.5
"""Periods of its scan class after which a value is too old to use."""


class Table:
    """The latest value of every tag. Written by scans as answers arrive, read through `image`."""

    def __init__(self, longest_age: npt.NDArray[np.int64]) -> None:
        self._longest_age = longest_age
        self.latest = Columns.bad(len(longest_age), Reason.NEVER_READ, 0)
        self._numbers = np.arange(len(longest_age))
        self._more: dict[int, Columns] = {}
        self._suspend = Suspend()

    def put(self, rows: slice, columns: Columns) -> None:
        """Store one scan class."""
        self._store(rows, columns)
        if columns.exact or columns.said or columns.source is not None or rows.start in self._more:
            self._more[rows.start] = columns

    def put_all(self, classes: Sequence[slice], columns: Columns) -> None:
        """Store several scan classes, whose rows rise and whose columns stand one after the other."""
        if not columns.exact and self._more.keys().isdisjoint(rows.start for rows in classes):
            whole = slice(classes[0].start, classes[-1].stop)
            in_a_row = whole.stop - whole.start == len(columns)
            places = whole if in_a_row else np.concatenate([self._numbers[rows] for rows in classes])
            self._store(places, columns)
            return
        first = 0
        for rows in classes:
            stop = first + rows.stop - rows.start
            self.put(rows, columns.part(slice(first, stop)))
            first = stop

    def _store(self, rows: slice | npt.NDArray[np.intp], columns: Columns) -> None:
        latest = self.latest
        latest.value[rows], latest.quality[rows] = columns.value, columns.quality
        latest.reason[rows], latest.at[rows] = columns.reason, columns.at

    def spoil(self, rows: slice, reason: Reason, at: int) -> None:
        """Store that one scan class is BAD as a whole."""
        latest = self.latest
        latest.value[rows], latest.quality[rows] = np.nan, Quality.BAD
        latest.reason[rows], latest.at[rows] = reason, at
        self._more.pop(rows.start, None)

    def wake(self, at: int) -> None:
        """Let nothing count that was read before the box slept: whichever scan comes first after it."""
        if self._suspend.since():
            self.spoil(slice(0, len(self._numbers)), Reason.STALE, at)
            self._more.clear()

    @property
    def exact(self) -> dict[int, int | str]:
        """What a float64 cannot say, by row: see `Columns.exact`."""
        return {start + row: said for start, part in self._more.items() for row, said in part.exact.items()}

    def image_for_people(self, now: int) -> Columns:
        """Freeze a process image with all that devices said beside the values: see `Sample`."""
        said: dict[int, str] = {}
        labels: dict[int, str] = {}
        times = np.zeros((2, len(self.latest)), np.int64)
        for start, part in self._more.items():
            said |= {start + row: word for row, word in part.said.items()}
            labels |= {start + row: word for row, word in part.labels.items()}
            for column, kept in zip(times, (part.source, part.server), strict=True):
                if kept is not None:
                    column[start : start + len(part)] = kept
        image, (source, server) = self.image(now), times
        return replace(image, exact=self.exact, said=said, source=source, server=server, labels=labels)

    def image(self, now: int) -> Columns:
        """Freeze a process image; what is too old is BAD."""
        latest = self.latest
        stale = (now - latest.at > self._longest_age) & (latest.quality != Quality.BAD)
        if stale.any():
            latest.value[stale], latest.quality[stale] = np.nan, Quality.BAD
            latest.reason[stale] = Reason.STALE
        return latest.frozen()
