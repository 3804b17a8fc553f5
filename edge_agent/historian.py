"""The historian: results, alarms and events in one SQLite file that any tool opens.

One connection in one thread does all writing, in WAL mode with synchronous=FULL, so that a committed
row survives a power cut. Results are committed once a second; an alarm is committed before the caller
goes on. When the disk fails, inference goes on and the loss is counted and told once.
"""

import asyncio
import json
import logging
import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edge_agent.core.histogram import Histogram
from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.tags import Columns
from edge_agent.history import audit, file
from edge_agent.history.flight import FlightRecorder

log = logging.getLogger(__name__)

FILE = "history.db"
COMMIT_EVERY = 1.0
"""Seconds that a result may wait for its commit."""
LONGEST_QUEUE = 20_000
MOST_RESULTS = 5_000_000
"""Rows of results that are kept; the oldest go first."""
MOST_TENTHS = 8
"""How often a commit drops the oldest tenth of the results before it gives up."""
ALARM_DEADLINE = 1.0
HUNG = 60.0
"""Seconds after which a writer thread that does not come round counts as hung."""

_RESULT = (
    "INSERT INTO result(time, machine, sequence, state, reason, score, alarm, inputs, outputs) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ALARM = "INSERT INTO alarm(time, machine, output, active, score, alarm, warning) VALUES (?,?,?,?,?,?,?)"
_EVENT = "INSERT INTO event(time, subject, kind, text) VALUES (?,?,?,?)"
_RETAIN = "DELETE FROM result WHERE id <= (SELECT max(id) FROM result) - ?"

Row = Callable[[sqlite3.Connection], object]
"""Inserts a row. Its values are worked out in the writer thread, not in the cycle."""


class _Waiter(threading.Event):
    """Set once its rows were tried; `kept` says whether they are on the disk."""

    kept = False


class Historian:
    """Use between `open` and `close`, and `flight` with it. Times are wall time in seconds since 1970."""

    def __init__(
        self, folder: Path, largest: int = file.LARGEST, flight: FlightRecorder | None = None
    ) -> None:
        self.path, self._largest, self.flight = folder / FILE, largest, flight
        self._rows: deque[Row] = deque()
        self._waiters: deque[_Waiter] = deque()
        self._wake = threading.Event()
        self._running = True
        self._thread = threading.Thread(target=self._write, name="historian", daemon=True)
        self._broken = ""
        self._turned_at = time.monotonic()
        self.lost = self.committed = 0
        self.commits = Histogram()
        """How long commits take, the fsync among it."""

    @property
    def progresses(self) -> bool:
        """Whether the writer thread came round lately; a disk that hangs for long keeps it."""
        return time.monotonic() - self._turned_at < HUNG

    @property
    def queued(self) -> int:
        """Rows that wait for the writer thread, of at most `LONGEST_QUEUE`."""
        return len(self._rows)

    def open(self) -> None:
        """Start the writer thread."""
        self._turned_at = time.monotonic()
        self._thread.start()
        if self.flight:
            self.flight.open()

    def close(self) -> None:
        """Commit what is there and end the thread, within a few seconds."""
        self._running = False
        self._wake.set()
        self._thread.join(timeout=5)
        if self.flight:
            self.flight.close()

    def result(self, machine: str, sequence: int, inputs: Columns, verdict: Verdict) -> None:
        """Keep one cycle's result. An input without a value is null."""
        self._put(_RESULT, partial(_result_row, time.time(), machine, sequence, inputs, verdict))

    def event(self, subject: str, kind: str, text: str) -> None:
        """Keep a sentence about something that changed."""
        row = (time.time(), subject, kind, text)
        self._put(_EVENT, lambda: row)

    async def alarm(self, machine: str, verdict: Verdict) -> None:
        """Keep what alarms changed; return once it is on the disk, or `ALARM_DEADLINE` has passed."""
        at = time.time()
        for r in verdict.readings:
            if r.changed:
                self._put(_ALARM, partial(_alarm_row, at, machine, r))
        if self.flight:
            self.flight.freeze()
        if await self._committed() is None:
            log.warning("historian: the alarm of %s is not on the disk yet; going on", machine)

    async def audit(self, entry: audit.Entry) -> bool:
        """Keep an entry of the audit; return whether it is on the disk within `ALARM_DEADLINE`."""
        kept = self._insert(partial(audit.insert, at=time.time(), entry=entry)) and bool(
            await self._committed()
        )
        if not kept:
            log.warning("historian: no audit on the disk, so %s is not written", entry.output)
        return kept

    async def _committed(self) -> bool | None:
        """Return whether the rows so far are on the disk, None if that is not known in time."""
        done = _Waiter()
        self._waiters.append(done)
        self._wake.set()
        return done.kept if await asyncio.to_thread(done.wait, ALARM_DEADLINE) else None

    def _put(self, statement: str, values: Callable[[], Sequence[object]]) -> None:
        self._insert(lambda connection: connection.execute(statement, values()))

    def _insert(self, row: Row) -> bool:
        if len(self._rows) < LONGEST_QUEUE:
            self._rows.append(row)
            return True
        self.lost += 1
        return False

    def _write(self) -> None:
        connection: sqlite3.Connection | None = None
        running = True
        while running:
            self._wake.wait(COMMIT_EVERY)
            self._wake.clear()
            self._turned_at = time.monotonic()
            running = self._running
            # Whoever waits put its row first, so taking the waiters first misses no row of theirs.
            waiters = [self._waiters.popleft() for _ in range(len(self._waiters))]
            rows = [self._rows.popleft() for _ in range(len(self._rows))]
            lost = self.lost
            connection = self._commit(connection, rows)
            for waiter in waiters:
                waiter.kept = self.lost == lost
                waiter.set()
        if connection is not None:
            connection.close()

    def _insert_or_make_room(self, connection: sqlite3.Connection, rows: list[Row]) -> None:
        for _ in range(MOST_TENTHS):
            try:
                return self._insert_all(connection, rows)
            except sqlite3.OperationalError as error:
                if "full" not in str(error):
                    raise
                file.make_room(connection)
        return self._insert_all(connection, rows)

    def _insert_all(self, connection: sqlite3.Connection, rows: list[Row]) -> None:
        with connection:
            for row in rows:
                row(connection)
            if self.committed % 10_000 < len(rows):
                connection.execute(_RETAIN, (MOST_RESULTS,))

    def _commit(self, connection: sqlite3.Connection | None, rows: list[Row]) -> sqlite3.Connection | None:
        if not rows:
            return connection
        try:
            connection = connection or file.connect(self.path, self._largest)
            began = time.perf_counter()
            self._insert_or_make_room(connection, rows)
            self.commits.observe(time.perf_counter() - began)
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


def _result_row(
    at: float, machine: str, sequence: int, inputs: Columns, verdict: Verdict
) -> Sequence[object]:
    values = json.dumps([None if math.isnan(v) else round(v, 6) for v in inputs.value.tolist()])
    score = None if math.isnan(verdict.score) else verdict.score
    state, reason = verdict.state.name, verdict.reason.name
    outputs = json.dumps({r.output: _numbers(r) for r in verdict.readings})
    return at, machine, sequence, state, reason, score, verdict.alarm, values, outputs


def _numbers(reading: Reading) -> dict[str, float | bool]:
    """Return what an output says, without the numbers that there are not."""
    numbers = {"score": reading.score, "value": reading.value, "confidence": reading.confidence}
    return {"alarm": reading.alarm, **{name: n for name, n in numbers.items() if not math.isnan(n)}}


def _alarm_row(at: float, machine: str, changed: Reading) -> Sequence[object]:
    score = None if math.isnan(changed.score) else changed.score
    states = changed.alarm_state.name, changed.warning_state.name
    return at, machine, changed.output, changed.alarm, score, *states
