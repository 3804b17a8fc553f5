"""Numbers of a machine over a time, thinned out so that no peak is lost.

Where there are few rows each of them counts; beyond, and where rows are not kept any more, the aggregates by
minute and hour.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from edge_agent.core.tags import Floats
from edge_agent.history import aggregates
from edge_agent.history.aggregates import ROWS, SPANS
from edge_agent.web.between import between, time_of

EXACT = 100_000
"""Rows of all machines in a range up to which every one of them is looked at."""
_AT_ONCE = 1000
"""Rows that are decoded together: the agent's cycles wait for no more."""

_UPTO = "SELECT upto FROM aggregated"
_SOME = ROWS + "AND id < ? AND machine = ? AND time BETWEEN ? AND ? ORDER BY id"
_OLDEST = "SELECT min(time) FROM {0} WHERE machine = ?"
_AGGREGATES = (
    "SELECT until, scores, inputs FROM {0} WHERE machine = ? AND time > ? AND time < ? ORDER BY time"
)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, the names of its inputs and outputs, and a range of wall time in at most `points` parts."""

    machine: str
    inputs: list[str]
    outputs: list[str]
    since: float
    until: float
    points: int

    @property
    def width(self) -> float:
        """Seconds of a part."""
        return (self.until - self.since) / self.points


class Points(NamedTuple):
    """Wall times float64[k], and the lowest, highest and last number until then: float64[k, columns].

    Columns are those of the outputs, then of the inputs.
    """

    at: Floats
    low: Floats
    high: Floats
    last: Floats


class Found(NamedTuple):
    """`resolution` is seconds of the coarsest aggregate in it, 0 for none.

    `behind` says that a part is missing which is not aggregated yet.
    """

    points: Points
    resolution: int
    behind: bool


def points(connection: sqlite3.Connection, question: Question) -> Found:
    """Answer a question by at most one point for each of its parts."""
    since, until = question.since, question.until
    first, last, oldest = between(connection, "result", since, until)
    exact = last - first <= EXACT
    if not exact:
        (upto,) = connection.execute(_UPTO).fetchone()
        first = max(first, upto + 1)
    behind = last - first > EXACT
    pieces = list(_rows(connection, question, max(first, last - EXACT), last))
    if exact and oldest:
        until = min(until, time_of(connection, "result", oldest))
    resolution = 0
    for table in ("minute", "hour") if question.width < SPANS["hour"] else ("hour",):
        found = list(_aggregates(connection, question, table, until)) if since < until else []
        if found:
            pieces, resolution = [*found, *pieces], SPANS[table]
            until = min(until, *connection.execute(_OLDEST.format(table), (question.machine,)).fetchone())
    return Found(_thinned(_joined(pieces, question), question), resolution, behind)


def _rows(connection: sqlite3.Connection, question: Question, first: int, last: int) -> Iterator[Points]:
    q = question
    rows = connection.execute(_SOME, (first - 1, last, q.machine, q.since, q.until))
    while some := rows.fetchmany(_AT_ONCE):
        scores, inputs = aggregates.scores_of(some), aggregates.inputs_of(some, len(q.inputs))
        none = np.full(len(some), np.nan)
        named = [
            scores.get(name, scores.get("", none) if not n else none) for n, name in enumerate(q.outputs)
        ]
        values = np.column_stack([*named, inputs])
        yield _thinned(Points(np.array([row[1] for row in some]), values, values, values), q)


def _aggregates(
    connection: sqlite3.Connection, question: Question, table: str, until: float
) -> Iterator[Points]:
    q = question
    found = connection.execute(_AGGREGATES.format(table), (q.machine, q.since - SPANS[table], until))
    while some := found.fetchmany(_AT_ONCE):
        at = np.clip([row[0] for row in some], q.since, q.until)
        columns = aggregates.aggregates_of(some, q.outputs, len(q.inputs))
        yield _thinned(Points(at, *columns.swapaxes(0, 1)), q)


def _joined(pieces: list[Points], question: Question) -> Points:
    nothing = np.empty((0, len(question.outputs) + len(question.inputs)))
    none = Points(np.empty(0), nothing, nothing, nothing)
    return Points(*(np.concatenate(parts) for parts in zip(none, *pieces, strict=True)))


def _thinned(points: Points, question: Question) -> Points:
    """Return one point for each part of the range that has any: the last, with the extremes of all."""
    if not len(points.at):
        return points
    at, low, high, last = (column[np.argsort(points.at, kind="stable")] for column in points)
    part = (at - question.since) // question.width
    starts = np.flatnonzero(np.diff(part, prepend=part[0] - 1))
    ends = np.append(starts[1:], len(at)) - 1
    return Points(at[ends], np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts), last[ends])
