"""The historian: results, alarms and events in one SQLite file that any tool opens.

One connection in one thread does all writing, in WAL mode with synchronous=FULL, so that a committed
row survives a power cut. Results are committed once a second; an alarm is committed before the caller
goes on. When the disk fails, inference goes on and the loss is counted and told once.
"""

import asyncio
import json
import logging
import math
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from edge_agent.core.pipeline import Verdict
from edge_agent.core.tags import Columns

log = logging.getLogger(__name__)

FILE = "history.db"
COMMIT_EVERY = 1.0
"""Seconds that a result may wait for its commit."""
LONGEST_QUEUE = 20_000
MOST_RESULTS = 5_000_000
"""Rows of results that are kept; the oldest go first."""
ALARM_DEADLINE = 1.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS result (
    id INTEGER PRIMARY KEY, time REAL, machine TEXT, sequence INTEGER, state TEXT, reason TEXT,
    score REAL, alarm INTEGER, inputs TEXT);
CREATE TABLE IF NOT EXISTS alarm (
    id INTEGER PRIMARY KEY, time REAL, machine TEXT, active INTEGER, score REAL);
CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, time REAL, subject TEXT, kind TEXT, text TEXT);
"""
_RESULT = (
    "INSERT INTO result(time, machine, sequence, state, reason, score, alarm, inputs) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_ALARM = "INSERT INTO alarm(time, machine, active, score) VALUES (?,?,?,?)"
_EVENT = "INSERT INTO event(time, subject, kind, text) VALUES (?,?,?,?)"
_RETAIN = "DELETE FROM result WHERE id <= (SELECT max(id) FROM result) - ?"

Row = tuple[str, Sequence[object]]


class Historian:
    """Use between `open` and `close`. Times are wall time in seconds since 1970, for people only."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._queue: queue.Queue[Row | threading.Event | None] = queue.Queue(LONGEST_QUEUE)
        self._thread = threading.Thread(target=self._write, name="historian", daemon=True)
        self._broken = ""
        self.lost = self.committed = 0

    def open(self) -> None:
        """Start the writer thread."""
        self._thread.start()

    def close(self) -> None:
        """Commit what is queued and end the thread, within a few seconds."""
        self._queue.put(None)
        self._thread.join(timeout=5)

    def result(self, machine: str, sequence: int, inputs: Columns, verdict: Verdict) -> None:
        """Keep one cycle's result. An input without a value is null."""
        values = [None if math.isnan(v) else round(v, 6) for v in inputs.value.tolist()]
        score = None if math.isnan(verdict.score) else verdict.score
        row = (time.time(), machine, sequence, verdict.state.name, verdict.reason.name, score, verdict.alarm)
        self._put((_RESULT, (*row, json.dumps(values))))

    def event(self, subject: str, kind: str, text: str) -> None:
        """Keep a sentence about something that changed."""
        self._put((_EVENT, (time.time(), subject, kind, text)))

    async def alarm(self, machine: str, verdict: Verdict) -> None:
        """Keep an alarm's change; return once it is on the disk, or `ALARM_DEADLINE` has passed."""
        done = threading.Event()
        self._put((_ALARM, (time.time(), machine, verdict.alarm, verdict.score)))
        self._put(done)
        if not await asyncio.to_thread(done.wait, ALARM_DEADLINE):
            log.warning("historian: the alarm of %s is not on the disk yet; going on", machine)

    def _put(self, item: Row | threading.Event) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.lost += 1

    def _write(self) -> None:
        connection: sqlite3.Connection | None = None
        running = True
        while running:
            rows, waiter, running = self._collect()
            connection = self._commit(connection, rows)
            if waiter is not None:
                waiter.set()
        if connection is not None:
            connection.close()

    def _collect(self) -> tuple[list[Row], threading.Event | None, bool]:
        """Gather rows until a commit is due, somebody waits for one, or the end has come."""
        rows: list[Row] = []
        due = time.monotonic() + COMMIT_EVERY
        while (left := due - time.monotonic()) > 0:
            try:
                item = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if item is None:
                return rows, None, False
            if isinstance(item, threading.Event):
                return rows, item, True
            rows.append(item)
        return rows, None, True

    def _commit(self, connection: sqlite3.Connection | None, rows: list[Row]) -> sqlite3.Connection | None:
        if not rows:
            return connection
        try:
            connection = connection or self._connect()
            with connection:
                for statement, values in rows:
                    connection.execute(statement, values)
                if self.committed % 10_000 < len(rows):
                    connection.execute(_RETAIN, (MOST_RESULTS,))
        except sqlite3.Error as error:
            self.lost += len(rows)
            if not self._broken:
                log.warning("historian: %s: %s; inference goes on, history is lost", self.path, error)
            self._broken = str(error)
            if connection is not None:
                connection.close()
            return None
        self.committed += len(rows)
        if self._broken:
            log.info("historian: writes again, %d rows were lost", self.lost)
            self._broken = ""
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=1.0)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(SCHEMA)
        return connection
