"""Results as they stand in the history, oldest first, through a connection that cannot write."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec

_COLUMNS = "id, time, machine, state, reason, score, alarm, inputs, outputs"
_BETWEEN = f"SELECT {_COLUMNS} FROM result WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"  # noqa: S608 - constant
_LATEST = f"SELECT {_COLUMNS} FROM result WHERE machine = ? AND id > ? AND id <= ? ORDER BY id DESC LIMIT 1"  # noqa: S608
_CHANGES = "SELECT id, time, machine, output, alarm, warning FROM alarm WHERE id > ? ORDER BY id LIMIT ?"
_BUSY = 1.0
FURTHEST = 100_000
"""Rows that the latest result of a machine is looked for in."""


class NoHistory(Exception):
    """The history cannot be read."""


class NotYet(NoHistory):
    """There is no history yet: the agent is starting for the first time."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One cycle of one machine; `at` is in seconds since 1970. None is where there is no number."""

    id: int
    at: float
    machine: str
    state: str
    reason: str
    score: float | None
    alarm: bool
    inputs: list[float | None]
    outputs: dict[str, dict[str, float | bool]]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """States of alarm and warning of an output when one of them had changed; `at` in seconds since 1970."""

    id: int
    at: float
    machine: str
    output: str
    states: tuple[str, str]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which results there are: their first and last number, both 0 if there are none."""

    oldest: int
    newest: int


class Results:
    """Use it from one thread at a time; close it from any. Every method but `close` raises `NoHistory`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Closing a connection that another thread reads by ends the process.
        self._lock = threading.RLock()
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def span(self) -> Span:
        """Return which results there are. A history that was begun anew is noticed here."""
        with self._reading(fresh=True) as connection:
            oldest, newest = connection.execute("SELECT min(id), max(id) FROM result").fetchone()
        return Span(oldest=oldest or 0, newest=newest or 0)

    def between(self, after: int, until: int, most: int) -> list[Result]:
        """Return at most so many results, oldest first: numbers over `after` and up to `until`."""
        with self._reading() as connection:
            return [_result(row) for row in connection.execute(_BETWEEN, (after, until, most))]

    def latest(self, machine: str, until: int) -> Result | None:
        """Return the last result of a machine up to a number, if it is not too far back."""
        with self._reading() as connection:
            row = connection.execute(_LATEST, (machine, until - FURTHEST, until)).fetchone()
        return _result(row) if row else None

    def changes(self, after: int, most: int) -> list[Change]:
        """Return at most so many changes of alarms, oldest first: those with numbers over `after`."""
        with self._reading() as connection:
            rows = connection.execute(_CHANGES, (after, most)).fetchall()
        return [
            Change(id=number, at=at, machine=machine, output=output or "", states=(alarm, warning))
            for number, at, machine, output, alarm, warning in rows
        ]

    def newest_change(self) -> int:
        """Return the number of the latest change of an alarm, 0 if there is none."""
        with self._reading() as connection:
            return int(connection.execute("SELECT max(id) FROM alarm").fetchone()[0] or 0)

    def time(self, number: int) -> float | None:
        """Return when the result of that number was, None if it is not there."""
        with self._reading() as connection:
            row = connection.execute("SELECT time FROM result WHERE id = ?", (number,)).fetchone()
        return float(row[0]) if row else None

    def close(self) -> None:
        """Close the file for good, after a read that is under way."""
        with self._lock:
            self._closed = True
            self._forget()

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _reading(self, *, fresh: bool = False) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise NoHistory(f"{self._path}: closed")
            with self._open(fresh=fresh) as connection:
                yield connection

    @contextmanager
    def _open(self, *, fresh: bool) -> Iterator[sqlite3.Connection]:
        try:
            if fresh and self._connection is not None and self._path.stat().st_ino != self._inode:
                self._forget()
            if self._connection is None:
                self._inode = self._path.stat().st_ino
                uri = f"file:{quote(str(self._path.absolute()))}?mode=ro"
                self._connection = sqlite3.connect(uri, uri=True, timeout=_BUSY, check_same_thread=False)
            yield self._connection
        except (sqlite3.Error, OSError, ValueError) as error:
            self._forget()
            if isinstance(error, FileNotFoundError) or "no such table" in str(error):
                raise NotYet(f"{self._path}: not there yet") from None
            raise NoHistory(f"{self._path}: {error}") from None


def _result(row: tuple[int, float, str, str, str, float | None, int, str, str]) -> Result:
    number, at, machine, state, reason, score, alarm, inputs, outputs = row
    return Result(
        id=number,
        at=at,
        machine=machine,
        state=state,
        reason=reason,
        score=score,
        alarm=bool(alarm),
        inputs=json.loads(inputs),
        outputs=json.loads(outputs),
    )
