"""What is to be sent: new results at once, those that wait the oldest first, and what was dealt with."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from edge_agent.historian import FILE
from edge_agent.north import cursor
from edge_agent.north.mqtt.node import Message, Node
from edge_agent.north.results import Change, NoHistory, NotYet, Result, Results, Span

log = logging.getLogger(__name__)

CURSOR = "mqtt-cursor.json"
MOST_NEW = 2000
"""New results in one turn."""
MOST_CHANGES = 500
"""Changes of alarms in one turn."""
SETTLING = 2.0
"""Seconds that a result may be under way between its cycle and the history when inputs are changed."""


class Batch(NamedTuple):
    """Messages to publish in their order, and what is dealt with once the broker has them."""

    messages: list[Message]
    new: list[Result]
    late: list[Result]
    late_until: int
    changes: list[Change]

    @property
    def more(self) -> bool:
        """Whether new results are still waiting behind these."""
        return len(self.new) == MOST_NEW


class Backlog(NamedTuple):
    """Results that are not told yet: how many, when the first of them was, and their share of the history.

    `oldest` is in seconds since 1970. The share is of what the history may hold.
    """

    rows: int = 0
    oldest: float | None = None
    room: float = 0.0


class Outbox:
    """Between the history and the broker. It reads and writes files: call it in a thread, one at a time.

    `largest` is what the history may grow to, in bytes.
    """

    def __init__(self, state: Path, forward: int, largest: int) -> None:
        self._path, self._forward, self._largest = state / CURSOR, forward, largest
        self._history = state / FILE
        self._results = Results(self._history)
        self._broken = ""
        self._missed = 0
        """Changes of alarms up to this one are told late."""
        self.backlog = Backlog()
        self.told = 0
        self.cursor = cursor.load(self._path)

    @property
    def since(self) -> Mapping[str, float]:
        """Until when machines had other inputs."""
        return self.cursor.since

    def settle(self, inputs: dict[str, list[str]]) -> None:
        """Note the inputs of all machines, at the start and whenever the configuration changed."""
        self.cursor.settle(inputs, time.time() + SETTLING if self.cursor.inputs else 0.0)

    def connected(self, node: Node) -> int:
        """A connection is being made: leave what there is for later; return its number (bdSeq).

        `node` learns the latest result of every machine.
        """
        self.cursor.birth = (self.cursor.birth + 1) % 256 if self.cursor.began else 0
        try:
            self._leave(node)
        except NoHistory as error:
            self._complain(error)
        self.cursor.began = True
        self.save()
        return self.cursor.birth

    def batch(self, node: Node, now: int) -> Batch:
        """Take what is next, as messages of `node`; `now` is in ms since 1970."""
        try:
            span = self._check()
            new = self._results.between(self.cursor.sent, span.newest, MOST_NEW)
            gap = self.cursor.gaps[0] if self.cursor.gaps else None
            late = self._results.between(gap.after, gap.until, self._forward) if gap else []
            changes = self._results.changes(max(0, self.cursor.changes), MOST_CHANGES)
        except NoHistory as error:
            self._complain(error)
            return Batch([], [], [], 0, [])
        self._broken = ""
        missed = [change for change in changes if change.id <= self._missed]
        messages = [
            *node.results(new, now, late=False),
            *node.alarms(changes[len(missed) :], now, late=False),
            *node.results(late, now, late=True),
            *node.alarms(missed, now, late=True),
        ]
        # Fewer than asked for: the rest of the gap is not there, and will not come.
        until = gap.until if gap and len(late) < self._forward else late[-1].id if late else 0
        return Batch(messages, new, late, until, changes)

    def done(self, batch: Batch) -> None:
        """The broker has a batch."""
        if batch.new:
            self.cursor.sent, self.cursor.at = batch.new[-1].id, batch.new[-1].at
        if batch.late_until:
            self.cursor.made_up(batch.late_until)
        if batch.changes:
            self.cursor.changes = batch.changes[-1].id
        if batch.new or batch.late_until or batch.changes:
            self.save()
        self.told += len(batch.new) + len(batch.late)
        self.look()

    def look(self) -> None:
        """See how much is not told yet."""
        if not self.cursor.began:
            return
        try:
            span = self._results.span()
            waiting = self.cursor.untold(span.oldest, span.newest)
            rows = sum(gap.until - gap.after for gap in waiting)
            oldest = self._results.time(waiting[0].after + 1) if waiting else None
            share = rows / (span.newest - span.oldest + 1) * self._history.stat().st_size / self._largest
            self.backlog = Backlog(rows, oldest, min(share, 1.0))
        except (NoHistory, OSError) as error:
            self._complain(error)

    def save(self) -> None:
        """Keep the cursor. On a disk that fails it is not kept, and after a restart some is sent again."""
        try:
            cursor.save(self._path, self.cursor)
        except OSError as error:
            self._complain(error)

    def close(self) -> None:
        """Close the history."""
        self._results.close()

    def _leave(self, node: Node) -> None:
        newest = self._check().newest
        at = self._results.time(newest) or 0.0
        self._missed = self._results.newest_change()
        if not 0 <= self.cursor.changes <= self._missed:
            self.cursor.changes = self._missed
        if self.cursor.began:
            self.cursor.leave(newest, at)
        else:
            self.cursor.sent, self.cursor.at = newest, at
        for name in node.devices:
            latest = self._results.latest(name, newest)
            if latest is not None:
                node.learn(latest)

    def _check(self) -> Span:
        """Find out whether this is the history that the cursor is of, and what it has dropped."""
        span, known = self._results.span(), self.cursor
        if span.newest < known.sent or (
            span.oldest <= known.sent and known.sent and self._results.time(known.sent) != known.at
        ):
            log.warning("mqtt: the history was begun anew; what waited of the one before is lost")
            known.begin_again()
            self._missed = 0
        gone = known.forget_before(span.oldest) if span.newest else 0
        if gone:
            log.warning("mqtt: %d results were dropped from the history before they could be sent", gone)
        return span

    def _complain(self, error: NoHistory | OSError) -> None:
        if not isinstance(error, NotYet) and str(error) != self._broken:
            self._broken = str(error)
            log.warning("mqtt: %s", error)
