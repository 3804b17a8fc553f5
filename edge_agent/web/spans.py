"""In which condition a machine was over a time: what a line through its numbers does not say."""

import math
import sqlite3
from typing import Literal

import msgspec
import numpy as np

from edge_agent.core.resultblock import State
from edge_agent.core.tags import Bytes, Reason
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


def spans(connection: sqlite3.Connection, question: Question, now: float) -> list[Span]:
    """Return what was not normal in a range until `now`. Of each of its parts the worst counts."""
    q = question
    end = min(q.until, now)
    events, alarms = (between(connection, table, q.since, q.until) for table in ("event", "alarm"))
    watched = _before(connection, q.machine, events.first, alarms)
    worst = np.zeros(q.points, np.uint8)
    changes = connection.execute(_CHANGES, (*events[:2], q.machine, *alarms[:2], q.machine))
    at = q.since
    for time, *change in changes:
        _paint(worst, q, at, min(time, end), watched.how)
        watched.see(*change)
        at = time
    _paint(worst, q, at, end, watched.how)
    starts = np.flatnonzero(np.diff(worst, prepend=255))
    places = zip(starts.tolist(), [*starts[1:].tolist(), q.points], strict=True)
    return [
        Span(since=q.since + q.width * first, until=q.since + q.width * last, how=HOW[worst[first]])
        for first, last in places
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


def _paint(worst: Bytes, question: Question, since: float, until: float, how: int) -> None:
    """Let the parts of the range between two wall times be at least as bad as `how`."""
    first, last = ((wall - question.since) / question.width for wall in (since, until))
    part = worst[max(0, int(first)) : max(0, math.ceil(last))]
    np.maximum(part, how, out=part)
