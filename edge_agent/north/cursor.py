"""What was sent of the history and what was not, kept over restarts.

New results go first, so that a screen is current as soon as the broker is back; what was missed follows, the
oldest first. So there is one number up to which everything is dealt with, and gaps below it.
"""

import logging
from pathlib import Path

import msgspec

from edge_agent import durable

log = logging.getLogger(__name__)

MOST_GAPS = 1000
"""Beyond so many the two that are nearest become one, and what is between them is sent again."""


class Gap(msgspec.Struct, array_like=True):
    """Results that wait: numbers over `after` and up to `until`."""

    after: int
    until: int


class Cursor(msgspec.Struct, kw_only=True):
    """`sent` is the newest result that is dealt with, `at` its time, in seconds since 1970.

    `began` says whether it was ever set: who starts to listen is not told of the years before. `birth` is the
    bdSeq of the last connection, 0..255.
    """

    sent: int = 0
    at: float = 0.0
    gaps: list[Gap] = []
    began: bool = False
    birth: int = 0
    changes: int = -1
    """The number of the latest change of an alarm that was told; -1 before any connection."""
    lost: int = 0
    """Results that the history dropped before they could be sent."""
    inputs: dict[str, list[str]] = {}
    """The tags that the inputs of every machine are, in the order of its results."""
    since: dict[str, float] = {}
    """Until when a machine had other inputs, in seconds since 1970: a result does not name them."""

    @property
    def waiting(self) -> int:
        """How many results wait in the gaps."""
        return sum(gap.until - gap.after for gap in self.gaps)

    def untold(self, oldest: int, newest: int) -> list[Gap]:
        """Return what of a history from `oldest` to `newest` is not dealt with, the oldest first."""
        waiting = (Gap(max(g.after, oldest - 1), g.until) for g in (*self.gaps, Gap(self.sent, newest)))
        return [gap for gap in waiting if gap.after < gap.until]

    def leave(self, newest: int, at: float) -> None:
        """Leave all up to `newest` for later: the connection was away."""
        if newest > self.sent:
            self.gaps.append(Gap(self.sent, newest))
            self.sent, self.at = newest, at
        if len(self.gaps) > MOST_GAPS:
            near = min(range(len(self.gaps) - 1), key=lambda i: self.gaps[i + 1].after - self.gaps[i].until)
            self.gaps[near : near + 2] = [Gap(self.gaps[near].after, self.gaps[near + 1].until)]

    def made_up(self, until: int) -> None:
        """The oldest gap is closed up to a number."""
        first = self.gaps[0]
        first.after = until
        if first.after >= first.until:
            self.gaps.pop(0)

    def forget_before(self, oldest: int) -> int:
        """Give up what the history no longer has; return how much that is."""
        before = self.waiting
        for gap in self.gaps:
            gap.after = max(gap.after, oldest - 1)
        self.gaps = [gap for gap in self.gaps if gap.after < gap.until]
        gone = before - self.waiting + max(0, oldest - 1 - self.sent)
        self.sent = max(self.sent, oldest - 1)
        self.lost += gone
        return gone

    def settle(self, inputs: dict[str, list[str]], until: float) -> None:
        """Note the inputs that machines have; what was before `until` is of others if they changed."""
        changed = [name for name, now in inputs.items() if self.inputs.get(name, now) != now]
        self.since = {name: at for name, at in self.since.items() if name in inputs} | dict.fromkeys(
            changed, until
        )
        self.inputs = inputs

    def begin_again(self) -> None:
        """The history was begun anew: nothing of it was sent."""
        self.sent, self.at, self.gaps, self.changes = 0, 0.0, [], 0


def load(path: Path) -> Cursor:
    """Read the cursor; a new one if there is none.

    One that is damaged is none, too: then only what comes from now on is told. Raises OSError.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Cursor)
    except FileNotFoundError:
        return Cursor()
    except msgspec.DecodeError as error:
        log.warning("%s is damaged (%s): what waited is not sent", path, error)
        return Cursor()


def save(path: Path, cursor: Cursor) -> None:
    """Write the cursor so that a power cut leaves this one or the one before. Raises OSError."""
    durable.replace(path, msgspec.json.encode(cursor))
