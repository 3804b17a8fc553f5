"""The historian: results, alarms, events and the audit in one SQLite file that any tool opens.

One connection in one thread does all writing, in WAL mode with synchronous=FULL, so that a committed
row survives a power cut. Results are committed once a second; an alarm is committed before the caller
goes on. When the disk fails, inference goes on and the loss is counted and told once.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from pathlib import Path

from edge_agent.core.histogram import Histogram
from edge_agent.core.pipeline import Verdict
from edge_agent.core.tags import Columns
from edge_agent.history import audit, file, rows
from edge_agent.history.flight import FlightRecorder
from edge_agent.history.rows import Row, When
from edge_agent.history.store import Store
from edge_agent.history.turns import Turns

log = logging.getLogger(__name__)

FILE = "history.db"
COMMIT_EVERY = 1.0
"""Seconds that a result may wait for its commit."""
LONGEST_QUEUE = 20_000
MOST_RARE = 1000
"""Alarms and events that are kept in memory while the disk fails, and beyond a queue that is full."""
ALARM_DEADLINE = 1.0
STOP_DEADLINE = 5.0
HUNG = 60.0
"""Seconds after which a disk that does not answer is told of."""
LONGEST_CHECK = 600.0
"""Seconds that looking at every page of a large file may take on a slow box."""


class _Waiter:
    """Hears from the writer's thread whether its rows are on the disk. No thread waits for it.

    Those of the executor may all be waiting for a name server.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.kept: asyncio.Future[bool] = self._loop.create_future()

    def tell(self, kept: bool) -> None:
        """Answer, in the writer's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, nobody waits any more
            self._loop.call_soon_threadsafe(self._hear, kept)

    def _hear(self, kept: bool) -> None:
        if not self.kept.done():
            self.kept.set_result(kept)


class Historian:
    """Use between `open` and `close`. `largest` is the file's, `floor` what stays free, both in bytes."""

    def __init__(
        self, folder: Path, largest: int = file.LARGEST, floor: int = 0, flight: FlightRecorder | None = None
    ) -> None:
        self.path, self.flight = folder / FILE, flight
        self._store = Store(self.path, largest, floor)
        self._rows: deque[Row] = deque()
        self._waiters: deque[_Waiter] = deque()
        self._wake = threading.Event()
        self._running = True
        self._thread = threading.Thread(target=self._write, name="historian", daemon=True)
        self._turns = Turns()
        self._refused = False
        self.unaudited = False
        """Whether an audit was refused, and nothing was put on the disk since."""
        self.lost = self.committed = self._lost_before = 0
        self.commits = Histogram()
        """How long commits take, the fsync among it."""

    @property
    def hung(self) -> str:
        """Name the writer thread that has ended or is stuck, "" if none is.

        That one waits for a disk is `trouble`: another process would wait for it as well.
        """
        if not self._running:
            return ""
        ended = self._thread.ident is not None and not self._thread.is_alive()
        if ended or self._turns.stuck(HUNG if self._store.opened else LONGEST_CHECK):
            return "historian"
        return "flight recorder" if self.flight is not None and self.flight.hung else ""

    @property
    def queued(self) -> int:
        """Rows that wait for the writer thread, of at most `LONGEST_QUEUE`, and `MOST_RARE` rare ones."""
        return len(self._rows)

    @property
    def trouble(self) -> str:
        """What somebody should do something about, "" if all is well."""
        if self._turns.longer_than(HUNG):
            return f"the disk has not answered for {HUNG:g} s"
        return self._store.trouble or self._store.reader or self._store.note

    def open(self) -> None:
        """Start the writer threads."""
        self._turns.begin()
        self._thread.start()
        if self.flight:
            self.flight.open()

    def close(self) -> None:
        """Commit what is there and end the threads, within some seconds for both."""
        until = time.monotonic() + STOP_DEADLINE
        self._running = False
        self._wake.set()
        if self.flight:
            self.flight.end()
        self._thread.join(STOP_DEADLINE)
        if self.flight:
            self.flight.close(max(0.0, until - time.monotonic()))

    def result(self, machine: str, sequence: int, inputs: Columns, verdict: Verdict, now: int) -> None:
        """Keep the result of one cycle, which began at `now`, monotonic ns."""
        self._put(rows.result(When(time.time(), now), machine, sequence, inputs, verdict))

    def event(self, subject: str, kind: str, text: str) -> None:
        """Keep a sentence about something that changed."""
        self._put(rows.event(_when(), subject, kind, text))

    async def alarm(self, machine: str, verdict: Verdict) -> None:
        """Keep what alarms changed; return once it is on the disk, or `ALARM_DEADLINE` has passed."""
        when = _when()
        for reading in verdict.readings:
            if reading.changed:
                self._put(rows.alarm(when, machine, reading))
        if self.flight:
            self.flight.freeze()
        if await self._committed() is None:
            log.warning("historian: the alarm of %s is not on the disk yet; going on", machine)

    async def audit(self, entry: audit.Entry) -> bool:
        """Keep an entry of the audit; return whether it is on the disk within `ALARM_DEADLINE`."""
        # Not tried again later: what is not audited in time is not written.
        audited = audit.Attempt(entry, _when())
        known = await self._committed() if self._put(Row(audited.insert, rare=False)) else False
        kept = bool(known)
        audited.late = not kept
        if known is None:
            self._put(Row(audited.take_back, rare=False))
        if not kept and not self._refused:
            log.warning("historian: no audit on the disk, so %s and others are not written", entry.output)
        self._refused = self.unaudited = not kept
        return kept

    async def _committed(self) -> bool | None:
        """Return whether the rows so far are on the disk, None if that is not known in time."""
        waiter = _Waiter()
        self._waiters.append(waiter)
        self._wake.set()
        try:
            async with asyncio.timeout(ALARM_DEADLINE):
                return await waiter.kept
        except TimeoutError:
            return None

    def _put(self, row: Row) -> bool:
        if len(self._rows) < LONGEST_QUEUE + (MOST_RARE if row.rare else 0):
            self._rows.append(row)
            return True
        self.lost += 1
        return False

    def _write(self) -> None:
        again: list[Row] = []
        running, failed = True, False
        while running:
            self._wake.wait(COMMIT_EVERY)
            self._wake.clear()
            self._turns.begin()
            running = self._running
            # Whoever waits put its row first, so taking the waiters first misses no row of theirs.
            waiters = [self._waiters.popleft() for _ in range(len(self._waiters))]
            some = self._admitted(again + [self._rows.popleft() for _ in range(len(self._rows))])
            kept = not some or self._timed(some)
            again = [] if kept else self._held(some)
            self._count(len(some), len(again), kept=kept, failed=failed)
            failed = not kept or (failed and not some)
            for waiter in waiters:
                waiter.tell(kept)
            self._store.tend()
        if again:
            self.lost += len(again)
            log.warning("historian: %d rows could not be kept before the end", len(again))
        self._store.close()

    def _admitted(self, some: list[Row]) -> list[Row]:
        """Leave results out while the file must not grow."""
        if not some or not self._store.must_not_grow():
            return some
        left = [row for row in some if not row.telemetry]
        self.lost += len(some) - len(left)
        return left

    def _held(self, some: list[Row]) -> list[Row]:
        """Return what is tried again: all of it while another program has locked the file."""
        if not self._store.locked:
            return [row for row in some if row.rare][-MOST_RARE:]
        most = LONGEST_QUEUE + MOST_RARE
        going = {id(row) for row in [row for row in some if row.telemetry][: max(0, len(some) - most)]}
        return [row for row in some if id(row) not in going][-most:]

    def _timed(self, some: list[Row]) -> bool:
        began = time.perf_counter()
        kept = self._store.keep(some)
        if kept:
            self.commits.observe(time.perf_counter() - began)
        return kept

    def _count(self, tried: int, held: int, *, kept: bool, failed: bool) -> None:
        """Count what was tried, and tell once that the disk fails, and once that it works again."""
        if kept:
            self.committed += tried
            self.unaudited = self.unaudited and not tried
            if failed and tried:
                log.info("historian: writes again, %d rows were lost", self.lost)
                if self.lost > self._lost_before:
                    self.event("history", "lost", f"writes again, {self.lost} rows were lost since the start")
            return
        if not failed:
            self._lost_before = self.lost
        self.lost += tried - held
        if not failed:
            trouble = self._store.trouble
            what = "history waits in memory" if self._store.locked else "history is lost"
            log.warning("historian: %s: %s; inference goes on, %s", self.path, trouble, what)


def _when() -> When:
    return When(time.time(), time.monotonic_ns())
