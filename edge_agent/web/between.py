"""Which rows of a table of the history are of a time: they are in its order, but for steps of the clock."""

import sqlite3
from typing import NamedTuple

_BOUNDS = "SELECT (SELECT min(id) FROM {0}), (SELECT max(id) FROM {0})"
_TIME_OF = "SELECT time FROM {0} WHERE id >= ? ORDER BY id LIMIT 1"


class Ids(NamedTuple):
    """From the first id, up to but without the last; `oldest` is the table's first, 0 if it is empty."""

    first: int
    last: int
    oldest: int


def between(connection: sqlite3.Connection, table: str, since: float, until: float) -> Ids:
    """Return the ids of what was between two wall times, in seconds since 1970."""
    low, high = connection.execute(_BOUNDS.format(table)).fetchone()
    if low is None:
        return Ids(0, 0, 0)
    first, last = (_id_at(connection, table, wall, low, high + 1) for wall in (since, until))
    return Ids(first, last, low)


def time_of(connection: sqlite3.Connection, table: str, number: int) -> float:
    """Return the wall time of a row that is there, or of the one behind it."""
    (at,) = connection.execute(_TIME_OF.format(table), (number,)).fetchone()
    return float(at)


def _id_at(connection: sqlite3.Connection, table: str, wall: float, low: int, high: int) -> int:
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if time_of(connection, table, middle) < wall else (low, middle)
    return low
