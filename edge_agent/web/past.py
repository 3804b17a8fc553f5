"""What the page asks of the history: bounded, thinned out, on a connection that can only read."""

import asyncio
import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from edge_agent.core.tags import Floats
from edge_agent.web.between import between
from edge_agent.web.points import Question, points
from edge_agent.web.spans import How, Span, course

MOST_POINTS = 1000
MOST = 200
"""Rows of a list, the latest first."""
DEADLINE = 5.0
"""Seconds after which a question is given up."""
_STEPS = 10_000
"""Steps of SQLite's machine between looks at the clock."""

_ALARMS = (
    "SELECT time, machine, output, active, score, alarm, warning FROM alarm "
    "WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?"
)
_EVENTS = "SELECT time, subject, kind, text FROM event WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?"

A = TypeVar("A")
Column = list[float | None]


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of a machine over a time, by ``score OUTPUT`` and ``input NAME``.

    Each point is the last of its part of the range; `low` and `high` are the lowest and highest in it, of
    those columns where any differs from the last. `at` is wall time in seconds since 1970. `resolution` is in
    seconds: 0 where every row was looked at, else that of the aggregates. `behind` says that a part is
    missing which is not aggregated yet. `spans` are when the machine was not normal, `lasted` for how many
    seconds.
    """

    at: list[float]
    columns: dict[str, Column]
    low: dict[str, Column]
    high: dict[str, Column]
    resolution: int
    behind: bool
    spans: list[Span]
    lasted: dict[How, float]


class AlarmRow(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an alarm. `at` is wall time in seconds since 1970."""

    at: float
    machine: str
    output: str | None
    active: bool
    score: float | None
    alarm: str | None
    warning: str | None


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence about something that changed. `at` is wall time in seconds since 1970."""

    at: float
    subject: str
    kind: str
    text: str


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of alarms and events, the latest first. `more`: there were earlier ones in the range."""

    alarms: list[AlarmRow]
    events: list[EventRow]
    more: bool


class NoHistory(Exception):
    """The question cannot be answered now; the text says why."""


class History:
    """Answers one question at a time, each in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()

    async def past(self, question: Question) -> Past:
        """Answer a question. Raises `NoHistory`."""
        return await self._in_thread(lambda connection: _past(connection, question))

    async def log(self, since: float, until: float) -> Log:
        """Return what happened between two wall times. Raises `NoHistory`."""
        return await self._in_thread(lambda connection: _log(connection, since, until))

    async def _in_thread(self, answer: Callable[[sqlite3.Connection], A]) -> A:
        async with self._lock:
            return await asyncio.to_thread(self._ask, answer)

    def _ask(self, answer: Callable[[sqlite3.Connection], A]) -> A:
        try:
            with _reading(self._path) as connection:
                return answer(connection)
        except sqlite3.Error as error:
            interrupted = "interrupted" in str(error)
            raise NoHistory(
                f"more than {DEADLINE:g} s; ask for a shorter range"
                if interrupted
                else f"the history: {error}"
            ) from None


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0)
    end = time.monotonic() + DEADLINE
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        connection.execute("BEGIN")  # all that is asked is asked of one moment
        yield connection
    finally:
        connection.close()


def _past(connection: sqlite3.Connection, question: Question) -> Past:
    found, condition = points(connection, question), course(connection, question, time.time())
    at, low, high, last = found.points
    names = [f"score {name}" for name in question.outputs] + [f"input {name}" for name in question.inputs]
    # Where each part has one number the lowest and highest say nothing more.
    apart = [
        name
        for number, name in enumerate(names)
        if not all(np.array_equal(c[:, number], last[:, number], equal_nan=True) for c in (low, high))
    ]
    columns, lowest, highest = (
        {name: _numbers(column[:, number]) for number, name in enumerate(names) if name in wanted}
        for column, wanted in ((last, names), (low, apart), (high, apart))
    )
    return Past(
        at=at.tolist(),
        columns=columns,
        low=lowest,
        high=highest,
        resolution=found.resolution,
        behind=found.behind,
        spans=condition.spans,
        lasted=condition.lasted,
    )


def _numbers(column: Floats) -> Column:
    return [None if math.isnan(value) else value for value in column.tolist()]


def _log(connection: sqlite3.Connection, since: float, until: float) -> Log:
    asked = [
        connection.execute(query, (*between(connection, table, since, until)[:2], MOST + 1)).fetchall()
        for query, table in ((_ALARMS, "alarm"), (_EVENTS, "event"))
    ]
    alarms = [
        AlarmRow(
            at=at,
            machine=machine,
            output=output,
            active=bool(active),
            score=score,
            alarm=alarm,
            warning=warning,
        )
        for at, machine, output, active, score, alarm, warning in asked[0][:MOST]
    ]
    events = [
        EventRow(at=at, subject=subject, kind=kind, text=text) for at, subject, kind, text in asked[1][:MOST]
    ]
    return Log(alarms=alarms, events=events, more=any(len(rows) > MOST for rows in asked))
