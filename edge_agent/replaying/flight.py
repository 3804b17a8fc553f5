"""From a flight recording to the moments of a scan: what its machines took, bit for bit."""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from edge_agent.core.tags import Columns, Reason, Tag
from edge_agent.history.flight import Layout, Thought, read_flight, thoughts
from edge_agent.history.segments import SUFFIX
from edge_agent.replaying.moment import Moment
from edge_agent.replaying.recording import RecordingError
from edge_agent.replaying.timeline import CHUNK


def is_flight(path: Path) -> bool:
    """Whether this is a flight recording: one of its files, or a folder of them."""
    return path.is_dir() or path.suffix == SUFFIX


class Flight:
    """A flight recording. `lives` are the runs of an agent in it, the oldest first.

    Raises `RecordingError`.
    """

    skipped = 0

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            layouts = [block.layout for block in read_flight(path)]
        except (OSError, ValueError) as error:
            raise RecordingError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        if not layouts:
            raise RecordingError(f"{path}: nothing is recorded here")
        self.lives = list(dict.fromkeys(layout.run for layout in layouts))
        self.names = {name for layout in layouts for name in layout.tags}
        self.configurations = {layout.config for layout in layouts}

    def chunks(self, life: str, period: float, tags: Sequence[Tag]) -> Iterator[list[Moment]]:
        """Yield what the scan of one period took in one life, up to `CHUNK` moments at a time."""
        blocks = (b for b in read_flight(self._path) if (b.layout.run, b.layout.period) == (life, period))
        for layout, taken in groupby(thoughts(blocks), key=lambda pair: pair[0]):
            widen = _Widening(layout, tags)
            moments = (widen(thought) for _, thought in taken)
            while chunk := list(islice(moments, CHUNK)):
                yield chunk


class _Widening:
    """Puts the recorded tags where the configuration has them."""

    def __init__(self, layout: Layout, tags: Sequence[Tag]) -> None:
        names = [tag.name for tag in tags]
        place = {name: row for row, name in enumerate(names)}
        self._size = len(names)
        self._from = np.array([i for i, name in enumerate(layout.tags) if name in place], np.intp)
        self._to = np.array([place[layout.tags[i]] for i in self._from], np.intp)

    def __call__(self, thought: Thought) -> Moment:
        image, seen = Columns.bad(self._size, Reason.NEVER_READ, 0), thought.image
        image.value[self._to], image.quality[self._to] = seen.value[self._from], seen.quality[self._from]
        image.reason[self._to], image.at[self._to] = seen.reason[self._from], seen.at[self._from]
        return Moment(thought.tick, thought.now, thought.wall, image, thought.machines, thought.reason)
