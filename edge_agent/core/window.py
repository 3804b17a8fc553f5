"""A machine's window: its last rows on the bundle's own time grid.

Rows stand twice in a ring of double length, so that the latest window is always one contiguous view
and a push costs two small writes.
"""

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class Window:
    """`rows` x `inputs` float32. An input may be held for `max_held` ticks; then the window restarts."""

    def __init__(self, rows: int, inputs: int, max_held: int) -> None:
        self._rows, self._max_held = rows, max_held
        self._ring = np.zeros((2 * rows, inputs), np.float32)
        self._last = np.zeros(inputs, np.float32)
        self._nothing = np.zeros(inputs, np.bool_)
        self._held = np.zeros(inputs, np.int64)
        self._tick: int | None = None
        self._next = 0
        self._count = 0
        self.blocked: int | None = None
        """The input that made the window restart at the last push."""

    @property
    def full(self) -> bool:
        """Whether `view` is a whole window."""
        return self._count >= self._rows

    @property
    def view(self) -> Floats32:
        """The latest window, oldest row first. Valid until the next push."""
        return self._ring[self._next : self._next + self._rows]

    def restart(self) -> None:
        """Begin anew with the next row."""
        self._tick, self._count = None, 0

    def push(self, tick: int, row: Floats32, usable: Mask) -> None:
        """Put the row of one tick. Ticks that were skipped count as rows without a usable value."""
        missed = 0 if self._tick is None else tick - self._tick - 1
        self._tick = tick
        self.blocked = None
        for _ in range(min(missed, self._max_held + 1)):
            self._put(row, self._nothing)
        self._put(row, usable)

    def _put(self, row: Floats32, usable: Mask) -> None:
        if usable.all():
            self._last[:] = row
            self._held[:] = 0
        else:
            self._held = np.where(usable, 0, self._held + 1)
            np.copyto(self._last, row, where=usable)
            if self._count == 0 or self._held.max() > self._max_held:
                self.blocked = int(self._held.argmax())
                self._count = 0
                return
        self._ring[self._next] = self._ring[self._next + self._rows] = self._last
        self._next = (self._next + 1) % self._rows
        self._count = min(self._count + 1, self._rows)
