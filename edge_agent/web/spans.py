"""In which condition a machine was over a time: what a line through its numbers does not say."""

import math
import sqlite3
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from edge_agent.core.resultblock import State
from edge_agent.core.tags import Reason
from edge_agent.web.between import Ids, between, time_of
from edge_agent.web.points import Question

How = Literal["normal", "off", "waiting", "warning", "none", "alarm"]
HOW: tuple[How, ...] = ("normal", "off", "waiting", "warning", "none", "alarm")
"""From well to worst; `none` is without a result, `off` that the agent did not run."""
_RAISED = ("UNACKNOWLEDGED", "ACKNOWLEDGED")
_FAILED = (State.FALLBACK.name, State.FAULT.name)

_OF_IT = "(kind = 'agent' OR (subject = ? AND kind = 'state'))"
_BEFORE = f"SELECT kind, text FROM event WHERE id < ? AND {_OF_IT} ORDER BY id DESC LIMIT 1"  # noqa: S608 - constant
_STARTED = "SELECT max(id) FROM event WHERE id < ? AND kind = 'agent'"
_STOOD = (
    "SELECT output, active, warning, max(id) FROM alarm"
    " WHERE id >= ? AND id < ? AND machine = ? GROUP BY output"
)
_CHANGES = f"""
SELECT time, kind, text, 0, '' FROM event WHERE id >= ? AND id < ? AND {_OF_IT}
UNION ALL SELECT time, 'alarm', output, active, warning FROM alarm WHERE id >= ? AND id < ? AND machine = ?
ORDER BY time
"""  # noqa: S608 - constant


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """The worst condition from `since` to `until`, in seconds since 1970."""

    since: float
    until: float
    how: How


class _Watched:
    """A machine as its events go by."""

    def __init__(self) -> None:
        self._state: How = "normal"
        self._raised: dict[str | None, How] = {}

    def see(self, kind: str, text: str | None, active: int, warning: str | None) -> None:
        """Take a row of `_CHANGES`."""
        if kind == "alarm":
            self._raised[text] = "alarm" if active else "warning" if warning in _RAISED else "normal"
        elif kind == "agent":  # no alarm outlives its end
            self._state, self._raised = ("waiting" if text == "started" else "off"), {}
        elif text:
            state, _, reason = text.partition(", ")
            waits: How = "normal" if reason.startswith(Reason.NONE.name) else "waiting"
            self._state = "none" if state in _FAILED else waits

    @property
    def how(self) -> int:
        """Its worst, as a place in `HOW`."""
        return max(HOW.index(how) for how in (self._state, *self._raised.values()))


class Course(NamedTuple):
    """What was not normal in a range, and for how many seconds each of it lasted."""

    spans: list[Span]
    lasted: dict[How, float]


def course(connection: sqlite3.Connection, question: Question, now: float) -> Course:
    """Return what was not normal in a range until `now`. Of each of its parts the worst counts."""
    q = question
    events, alarms = (between(connection, table, q.since, q.until) for table in ("event", "alarm"))
    watched = _before(connection, q.machine, events.first, alarms)
    drawn = _Drawn(q, min(q.until, now))
    for at, *change in connection.execute(_CHANGES, (*events[:2], q.machine, *alarms[:2], q.machine)):
        drawn.go_on(watched.how, at)
        watched.see(*change)
    drawn.go_on(watched.how, q.until)
    return Course(drawn.spans, {HOW[how]: lasted for how, lasted in drawn.lasted.items()})


class _Drawn:
    """The parts of a range, each as bad as the worst in it; `end` is where the future begins."""

    def __init__(self, question: Question, end: float) -> None:
        self._question, self._at, self._end = question, question.since, end
        self._worst = np.zeros(question.points, np.uint8)
        self.lasted: dict[int, float] = {}

    def go_on(self, how: int, until: float) -> None:
        """It was so from where it was before until a wall time."""
        since, until = self._at, min(until, self._end)
        if how and since < until:
            first, last = ((wall - self._question.since) / self._question.width for wall in (since, until))
            part = self._worst[int(first) : math.ceil(last)]
            np.maximum(part, how, out=part)
            self.lasted[how] = self.lasted.get(how, 0.0) + until - since
        self._at = max(since, until)

    @property
    def spans(self) -> list[Span]:
        """Parts that are alike and side by side are one."""
        q, worst = self._question, self._worst
        starts = np.flatnonzero(np.diff(worst, prepend=255)).tolist()
        return [
            Span(since=q.since + q.width * first, until=q.since + q.width * last, how=HOW[worst[first]])
            for first, last in zip(starts, [*starts[1:], q.points], strict=True)
            if worst[first]
        ]


def _before(connection: sqlite3.Connection, machine: str, event: int, alarms: Ids) -> _Watched:
    """Return the machine as it was when the event of that id, and the first of `alarms`, came."""
    watched = _Watched()
    for kind, text in connection.execute(_BEFORE, (event, machine)):
        watched.see(kind, text, 0, "")
    (started,) = connection.execute(_STARTED, (event,)).fetchone()
    since = time_of(connection, "event", started) if started else -math.inf
    first = between(connection, "alarm", since, since).first
    for output, active, warning, _ in connection.execute(_STOOD, (first, alarms.first, machine)):
        watched.see("alarm", output, active, warning)
    return watched
