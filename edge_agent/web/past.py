"""What the page asks of the history: bounded, thinned out, on a connection that can only read."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

EXACT = 250_000
"""Rows of all machines in a range up to which every one of them is looked at."""
MOST_POINTS = 1000
LATEST = 200
"""Rows of a list, the latest first."""
DEADLINE = 5.0
"""Seconds after which a question is given up."""
_STEPS = 10_000
"""Steps of SQLite's machine between looks at the clock."""

_TIME_OF = "SELECT time FROM result WHERE id >= ? ORDER BY id LIMIT 1"
_BOUNDS = "SELECT (SELECT min(id) FROM result), (SELECT max(id) FROM result)"
_THINNED = (
    "SELECT min(score), max(score), max(id) FROM result "
    "WHERE id BETWEEN ? AND ? AND machine = ? AND time BETWEEN ? AND ? "
    "GROUP BY CAST((time - ?) / ? AS INTEGER)"
)
_ROW = "SELECT time, score, inputs, outputs FROM result WHERE id = ?"
_ALARMS = "SELECT time, machine, output, active, score, alarm, warning FROM alarm ORDER BY id DESC LIMIT ?"
_EVENTS = "SELECT time, subject, kind, text FROM event ORDER BY id DESC LIMIT ?"

A = TypeVar("A")
Column = list[float | None]


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of a machine over a time, by ``score OUTPUT`` and ``input NAME``.

    Each point is the last row of its part of the range; `low` and `high` are the lowest and highest score of
    the first output in it. `sampled` says that the parts were not looked at whole, so a peak may be missing.
    `at` is wall time in seconds since 1970.
    """

    at: list[float]
    columns: dict[str, Column]
    low: dict[str, Column]
    high: dict[str, Column]
    sampled: bool


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
    """The latest changes of alarms and the latest events, the latest first."""

    alarms: list[AlarmRow]
    events: list[EventRow]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, the names of its inputs and outputs, and a range of wall time in at most `points` parts."""

    machine: str
    inputs: list[str]
    outputs: list[str]
    since: float
    until: float
    points: int


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

    async def log(self) -> Log:
        """Return what happened lately. Raises `NoHistory`."""
        return await self._in_thread(_log)

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
    low_id, high_id = connection.execute(_BOUNDS).fetchone()
    if low_id is None:
        return Past(at=[], columns={}, low={}, high={}, sampled=False)
    first = _id_at(connection, question.since, low_id, high_id)
    last = _id_at(connection, question.until, low_id, high_id)
    spans, sampled = _spans(first, last, question.points)
    width = (question.until - question.since) / question.points
    limits = (question.machine, question.since, question.until, question.since, width)
    found = [row for span in spans for row in connection.execute(_THINNED, (*span, *limits))]
    found.sort(key=lambda row: row[2])
    rows = [connection.execute(_ROW, (number,)).fetchone() for _, _, number in found]
    return _columns(question, found, rows, sampled=sampled)


def _id_at(connection: sqlite3.Connection, wall: float, low: int, high: int) -> int:
    """Return the first id of `wall` or later. Rows are in the order of time, but for steps of the clock."""
    high += 1
    while low < high:
        middle = (low + high) // 2
        (at,) = connection.execute(_TIME_OF, (middle,)).fetchone()
        low, high = (middle + 1, high) if at < wall else (low, middle)
    return low


def _spans(first: int, last: int, points: int) -> tuple[list[tuple[int, int]], bool]:
    """Return the ids to look at, from and to: all of them, or the end of each part of a long range."""
    if last - first <= EXACT:
        return [(first, last)], False
    part, looked = (last - first) / points, EXACT // points
    ends = [first + round(part * (number + 1)) for number in range(points)]
    return [(end - looked, end) for end in ends], True


def _columns(
    question: Question,
    found: list[tuple[float | None, float | None, int]],
    rows: list[tuple[float, float | None, str, str | None]],
    *,
    sampled: bool,
) -> Past:
    scores = [f"score {name}" for name in question.outputs]
    columns: dict[str, Column] = {key: [] for key in scores}
    columns |= {f"input {name}": [] for name in question.inputs}
    for _, score, inputs, outputs in rows:
        said = json.loads(outputs) if outputs else {}
        for number, name in enumerate(question.outputs):
            columns[f"score {name}"].append(said.get(name, {}).get("score", None if number else score))
        values = json.loads(inputs)
        # A row of before the machine's inputs were changed says nothing about those of today.
        fits = len(values) == len(question.inputs)
        for number, name in enumerate(question.inputs):
            columns[f"input {name}"].append(values[number] if fits else None)
    return Past(
        at=[row[0] for row in rows],
        columns=columns,
        low={scores[0]: [low for low, _, _ in found]},
        high={scores[0]: [high for _, high, _ in found]},
        sampled=sampled,
    )


def _log(connection: sqlite3.Connection) -> Log:
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
        for at, machine, output, active, score, alarm, warning in connection.execute(_ALARMS, (LATEST,))
    ]
    events = [
        EventRow(at=at, subject=subject, kind=kind, text=text)
        for at, subject, kind, text in connection.execute(_EVENTS, (LATEST,))
    ]
    return Log(alarms=alarms, events=events)
