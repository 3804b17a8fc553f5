"""One scan's recording in memory: images are copied into columns, which the writer takes block by block."""

from collections import deque

import numpy as np
import numpy.typing as npt

from edge_agent.core.tags import Columns, Reason
from edge_agent.history.blocks import Block, Layout

SECONDS = 10.0
"""Of images in a block: what a power cut may cost."""
LARGEST = 4 * 1024**2
"""Bytes of images in a block before they are packed."""
LONGEST_QUEUE = 4
"""Blocks that wait for the disk. What comes then is lost, and counted."""
MOST_THOUGHTS = 65_536
BYTES_A_TAG = 18


class Track:
    """The recording of one scan. `cycle` and `thought` are called from the event loop only."""

    def __init__(self, layout: Layout, rows: npt.NDArray[np.intp]) -> None:
        self.layout, self._rows = layout, rows
        self._groups = {group[0]: number for number, group in enumerate(layout.groups)}
        most = LARGEST // (BYTES_A_TAG * max(1, len(rows)))
        self._most = max(1, min(int(SECONDS / layout.period), most))
        self.full: deque[Block] = deque()
        self.lost = 0
        self.ended = False
        self._begin()

    def cycle(self, tick: int, now: int, wall: int, image: Columns) -> None:
        """Keep the image of one tick, of the whole table."""
        if self._count == self._most:
            self.seal()
        row, rows = self._count, self._rows
        self._times[:, row] = tick, now, wall
        image.value.take(rows, out=self._value[row], mode="clip")
        image.quality.take(rows, out=self._quality[row], mode="clip")
        image.reason.take(rows, out=self._reason[row], mode="clip")
        image.at.take(rows, out=self._at[row], mode="clip")
        self._count += 1

    def thought(self, tick: int, first: str, reason: Reason) -> None:
        """Keep that a group took the image of a tick. `first` is its first machine."""
        if len(self._thoughts) < MOST_THOUGHTS:
            self._thoughts.append((tick, self._groups[first], reason))

    def seal(self) -> None:
        """Hand over what there is to the writer."""
        if not self._count and not self._thoughts:
            return
        k = self._count
        block = Block(
            layout=self.layout,
            tick=self._times[0, :k],
            now=self._times[1, :k],
            wall=self._times[2, :k],
            value=self._value[:k],
            quality=self._quality[:k],
            reason=self._reason[:k],
            at=self._at[:k],
            thought=np.array(self._thoughts, np.int64).reshape(-1, 3),
        )
        if len(self.full) < LONGEST_QUEUE:
            self.full.append(block)
        else:
            self.lost += k
        self._begin()

    def end(self) -> None:
        """Record no more: the scan has ended, or goes on with another track."""
        self.seal()
        self.ended = True

    def _begin(self) -> None:
        shape = self._most, len(self._rows)
        self._times = np.empty((3, self._most), np.int64)
        self._value, self._at = np.empty(shape), np.empty(shape, np.int64)
        self._quality, self._reason = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        self._thoughts: list[tuple[int, int, int]] = []
        self._count = 0
