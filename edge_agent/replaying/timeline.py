"""From a recording to the process images of a scan, tick by tick, as the scan would have seen them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.config import Config
from edge_agent.core.tags import Columns, Grader, Nanoseconds, Quality, Reason, Tag
from edge_agent.replaying.columns import Named, columns_of
from edge_agent.replaying.moment import Moment
from edge_agent.replaying.recording import Recording, header, load, time_column
from edge_agent.table import STALE

CHUNK = 512
"""Ticks that are made at a time."""
HOLE = 60
"""Ticks of a hole in the recording that are played; the rest of it says nothing new."""
_NS = 1_000_000_000


class Table:
    """A file of rows, as the scans of a configuration would have read it.

    A row belongs to the tick that is nearest to its time, or is the next one where no time is looked at. A
    tag that the file does not have is BAD throughout. What is older than 2.5 of its periods is BAD, as in the
    scan's own table. Raises `RecordingError`.
    """

    def __init__(self, config: Config, data: Path, named: Named, *, rows_are_ticks: bool = False) -> None:
        known = header(data)
        when = None if rows_are_ticks else named.time or time_column(data, known)
        self._recorded = load(data, columns_of(config, data, known, named), when)
        self.names = set(self._recorded.names)
        scans = {entry.tag.name: float(entry.scan) for device in config.devices for entry in device.tags}
        self._ages = {name: int(STALE * scan * _NS) for name, scan in scans.items()}
        self.lives: list[str] = [""]
        self.skipped = 0

    def chunks(self, life: str, period: float, tags: Sequence[Tag]) -> Iterator[list[Moment]]:  # noqa: ARG002
        """Yield what the scan of `period` seconds saw of `tags`, up to `CHUNK` moments at a time."""
        ages = np.array([self._ages[tag.name] for tag in tags], np.int64)
        timeline = Timeline(self._recorded, tags, ages, period)
        self.skipped += timeline.skipped
        yield from timeline.chunks()


class Timeline:
    """The images of one scan of `tags`: `longest_age` is int64 ns by tag, `period` in seconds."""

    def __init__(
        self, recording: Recording, tags: Sequence[Tag], longest_age: Nanoseconds, period: float
    ) -> None:
        self._period, self._longest_age = round(period * _NS), longest_age
        rows = len(recording.value)
        self._value = np.full((rows, len(tags)), np.nan)
        self._quality = np.full((rows, len(tags)), Quality.BAD, np.uint8)
        self._reason = np.full((rows, len(tags)), Reason.NEVER_READ, np.uint8)
        for column, tag in enumerate(tags):
            if tag.name in recording.names:
                self._grade(column, tag, recording.value[:, recording.names.index(tag.name)])
        self._start = 0 if recording.at is None else int(recording.at[0])
        since = self._period * np.arange(rows) if recording.at is None else recording.at - self._start
        self._tick_of_row = np.asarray((since + self._period // 2) // self._period, np.int64)
        self._ticks, self.skipped = _played(self._tick_of_row)

    def chunks(self) -> Iterator[list[Moment]]:
        """Yield the moments, up to `CHUNK` at a time."""
        for first in range(0, len(self._ticks), CHUNK):
            yield list(self._moments(self._ticks[first : first + CHUNK]))

    def _grade(self, column: int, tag: Tag, recorded: npt.NDArray[np.float64]) -> None:
        # What was recorded is in engineering units already.
        grader = Grader([msgspec.structs.replace(tag, scale=1.0, offset=0.0)])
        reason = np.where(np.isnan(recorded), Reason.NO_VALUE, Reason.NONE).astype(np.uint8)
        graded = grader.grade(recorded, reason, 0)
        self._value[:, column], self._quality[:, column] = graded.value, graded.quality
        self._reason[:, column] = graded.reason

    def _moments(self, ticks: Nanoseconds) -> Iterator[Moment]:
        rows = np.searchsorted(self._tick_of_row, ticks, side="right") - 1
        now = ticks * self._period
        at = np.repeat((self._tick_of_row[rows] * self._period)[:, None], self._value.shape[1], axis=1)
        value, quality, reason = self._value[rows], self._quality[rows], self._reason[rows]
        stale = (now[:, None] - at > self._longest_age) & (quality != Quality.BAD)
        value[stale], quality[stale], reason[stale] = np.nan, Quality.BAD, Reason.STALE
        for columns in (value, quality, reason, at):
            columns.flags.writeable = False
        for place, tick in enumerate(ticks.tolist()):
            image = Columns(value[place], quality[place], reason[place], at[place])
            yield Moment(tick, tick * self._period, self._start + tick * self._period, image)


def _played(tick_of_row: Nanoseconds) -> tuple[Nanoseconds, int]:
    """Return the ticks that are played, and how many at the far end of long holes are not."""
    own = np.unique(tick_of_row)
    gaps = np.diff(own, append=own[-1] + 1)
    lengths = np.minimum(gaps, HOLE + 1)
    before = np.cumsum(lengths) - lengths
    return np.repeat(own - before, lengths) + np.arange(lengths.sum()), int((gaps - lengths).sum())
