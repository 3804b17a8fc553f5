"""Makes the aggregates of results in the history's own thread, out of rows that are on the disk.

The file notes up to which row it went, so that a power cut, a full disk and a file of an earlier version are
all made up for in the same way: by going on.
"""

import sqlite3
from collections.abc import Sequence
from itertools import groupby

from edge_agent.history.aggregates import ROWS, SPANS, Aggregate, Known, Row, aggregate, read, written

BLOCK = 600
"""Seconds whose aggregates are written together: a page of the disk for each machine, not one a minute."""
FEW, AT_ONCE = 500, 2000
"""Rows that are not worth a step, and that one takes at most: an alarm may wait behind it."""

TABLES = """
CREATE TABLE minute (
    id INTEGER PRIMARY KEY, time INTEGER, machine TEXT, until REAL, scores TEXT, inputs TEXT);
CREATE TABLE hour (
    id INTEGER PRIMARY KEY, time INTEGER, machine TEXT, until REAL, scores TEXT, inputs TEXT);
CREATE UNIQUE INDEX minute_of ON minute(machine, time);
CREATE UNIQUE INDEX hour_of ON hour(machine, time);
CREATE TABLE aggregated (upto INTEGER);
INSERT INTO aggregated VALUES (0);
"""

_NEXT = ROWS + f"ORDER BY id LIMIT {AT_ONCE}"
_KNOWN = "SELECT until, scores, inputs FROM {0} WHERE machine = ? AND time = ?"
_PUT = (
    "INSERT INTO {0}(machine, time, until, scores, inputs) VALUES (?, ?, ?, ?, ?) ON CONFLICT(machine, time) "
    "DO UPDATE SET until = excluded.until, scores = excluded.scores, inputs = excluded.inputs"
)

Parts = dict[tuple[str, int], Aggregate]
"""By machine, and the number of the minute or hour since 1970."""


class Aggregator:
    """Makes the aggregates of one file. Every method is called from the thread of its one writer."""

    def __init__(self) -> None:
        self._open: Parts = {}
        self._whole: Parts = {}
        self._block = self._taken = self._upto = 0
        self._begun = False

    def step(self, connection: sqlite3.Connection) -> None:
        """Go on by at most `AT_ONCE` rows from where the file says. Raises sqlite3.Error.

        What could not be written is written first the next time.
        """
        if self._whole:
            self._write(connection)
        for block, rows in groupby(self._rows(connection), lambda row: int(row[1] // BLOCK)):
            if block != self._block:
                _add(self._whole, self._open)
                self._open, self._block, self._upto = {}, block, self._taken
            self._take(list(rows))
        if self._whole:
            self._write(connection)

    def _rows(self, connection: sqlite3.Connection) -> list[Row]:
        if not self._begun:
            (self._taken,) = connection.execute("SELECT upto FROM aggregated").fetchone()
            self._begun = True
        (newest,) = connection.execute("SELECT max(id) FROM result").fetchone()
        if self._taken > (newest or 0):
            self._taken = 0  # all were dropped, and their numbers begin anew
        if (newest or 0) - self._taken < FEW:
            return []
        return connection.execute(_NEXT, (self._taken,)).fetchall()

    def _take(self, rows: Sequence[Row]) -> None:
        parts: dict[tuple[str, int], list[Row]] = {}
        for row in rows:
            parts.setdefault((row[2], int(row[1] // SPANS["minute"])), []).append(row)
        _add(self._open, {key: aggregate(some) for key, some in parts.items()})
        self._taken = rows[-1][0]

    def _write(self, connection: sqlite3.Connection) -> None:
        hours: Parts = {}
        for (machine, minute), part in self._whole.items():
            _add(hours, {(machine, minute * SPANS["minute"] // SPANS["hour"]): part})
        with connection:
            for table, parts in (("minute", self._whole), ("hour", hours)):
                for (machine, number), part in parts.items():
                    _put(connection, table, machine, number * SPANS[table], part)
            connection.execute("UPDATE aggregated SET upto = ?", (self._upto,))
        self._whole = {}


def _add(parts: Parts, later: Parts) -> None:
    for key, part in later.items():
        parts[key] = parts[key].and_then(part) if key in parts else part


def _put(connection: sqlite3.Connection, table: str, machine: str, time: int, part: Aggregate) -> None:
    known: Known | None = connection.execute(_KNOWN.format(table), (machine, time)).fetchone()
    if known is not None:
        part = read(known).and_then(part)
    connection.execute(_PUT.format(table), (machine, time, *written(part)))
