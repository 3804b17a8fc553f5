"""The last rows of something.

Rows stand twice in an array of double length, so that the latest are always one contiguous view and a
row more costs two small writes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[Any]


class Ring:
    """Up to `rows` rows of `width` numbers."""

    def __init__(self, rows: int, width: int, dtype: npt.DTypeLike = np.float64) -> None:
        self._rows = rows
        self._ring: Rows = np.zeros((2 * rows, width), dtype)
        self._next = 0
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether there are `rows` rows."""
        return self.count == self._rows

    @property
    def view(self) -> Rows:
        """The rows, oldest first. Valid until the next change."""
        end = self._next + self._rows
        return self._ring[end - self.count : end]

    def restart(self) -> None:
        """Forget all rows."""
        self.count = 0

    def append(self, row: Rows) -> None:
        """Add a row, in place of the oldest one if there are `rows`."""
        self._ring[self._next] = self._ring[self._next + self._rows] = row
        self._next = (self._next + 1) % self._rows
        self.count = min(self.count + 1, self._rows)

    def fill(self, rows: Rows) -> None:
        """Begin anew with the last of these rows."""
        rows = rows[-self._rows :]
        self._ring[: len(rows)] = self._ring[self._rows : self._rows + len(rows)] = rows
        self._next, self.count = len(rows) % self._rows, len(rows)

    def change(self, column: int, last: Rows) -> None:
        """Replace the last numbers of one column; what would be before the oldest row is left out."""
        last = last[len(last) - min(len(last), self.count) :]
        at = (self._next - len(last) + np.arange(len(last))) % self._rows
        self._ring[at, column] = self._ring[at + self._rows, column] = last
