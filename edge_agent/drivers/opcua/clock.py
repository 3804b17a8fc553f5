"""Whether the clocks of a server, and of the devices behind it, agree with ours. If not, that is told.

Nothing more follows: values are used by when they came. But whoever lays our history beside theirs looks at
the wrong minute.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np

from edge_agent.core.tags import Columns, Nanoseconds, Tag

EVERY = 10.0
"""Seconds between two looks at the times of the values of a scan class."""
_QUARTER, _NEAR = 900.0, 60.0
"""Local times differ from UTC by whole quarters of an hour, give or take a clock that is a little off."""


class Clock:
    """The server's clock. `tolerance`, in s, is how far it may be off before `tell` is told of it, once."""

    def __init__(self, tolerance: float, tell: Callable[[str], None]) -> None:
        self.tolerance = tolerance
        self.ahead = 0.0
        """Seconds by which it is ahead of ours, as far as is known."""
        self.tell = tell
        self._told = False

    def hear(self, theirs: datetime, now: float) -> None:
        """Take the server's time; `now` is ours, in s since 1970."""
        self.ahead = theirs.replace(tzinfo=theirs.tzinfo or UTC).timestamp() - now
        off = abs(self.ahead) > self.tolerance
        if off and not self._told:
            text = f"the server's clock is {apart(self.ahead, 'ours')}; set the one that is wrong"
            self.tell(text + _hint(self.ahead))
        if self._told and not off:
            self.tell("the server's clock is right again")
        self._told = off


class Times:
    """The SourceTimestamps of one scan class. They are the device's, where the server has them from there.

    One in the future is wrong. One in the past is wrong only if it is new: a value that does not change keeps
    its time.
    """

    def __init__(self, tags: Sequence[Tag], clock: Clock) -> None:
        self._tags, self._clock = tags, clock
        self._last: Nanoseconds = np.zeros(len(tags), np.int64)
        self._looked = 0.0
        self._told = np.zeros(len(tags), np.bool_)

    def look(self, columns: Columns, now: float) -> None:
        """Look at the times once in a while; `now` is our time, in s since 1970."""
        since = now - self._looked
        if columns.source is None or 0 <= since < EVERY:
            return
        source, tolerance = columns.source, self._clock.tolerance
        new = (source != self._last) & (source > 0)
        # How far the server's own clock is off is told apart.
        ahead = np.where(source > 0, source / 1e9 - now - self._clock.ahead, 0.0)
        wrong = (ahead > tolerance) | (new & (self._last > 0) & (ahead < -tolerance - since))
        tell = wrong & ~self._told
        self._last, self._looked = source, now
        self._told = wrong | (self._told & ~new)
        if tell.any():
            row = int(np.argmax(np.abs(ahead) * tell))
            self._tell(self._tags[row], float(ahead[row]), int(tell.sum()) - 1)

    def _tell(self, tag: Tag, ahead: float, others: int) -> None:
        text = f"{tag.name} ({tag.address}) has a time that is {apart(ahead, 'the server')}"
        more = f", and {others} more tags have such" if others else ""
        self._clock.tell(f"{text}{more}; look at the clock of the device behind it{_hint(ahead)}")


def apart(seconds: float, whom: str) -> str:
    """Say how far one clock is from another."""
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} {whom}"


def _hint(seconds: float) -> str:
    quarters = round(abs(seconds) / _QUARTER)
    local = 1 <= quarters <= 14 * 4 and abs(abs(seconds) - quarters * _QUARTER) <= _NEAR
    return " (it may run on local time)" if local else ""
