"""The history file under its one writer: rows in one transaction, room made for them, failure told once."""

import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from edge_agent import filesystem
from edge_agent.history import file, rows
from edge_agent.history.aggregator import Aggregator
from edge_agent.history.archive import Archive
from edge_agent.history.rows import Clock, Row
from edge_agent.moment import boot_id, synchronised

log = logging.getLogger(__name__)

MOST_DROPS = 100
"""How often one commit drops the oldest rows before it gives up."""
LOCKED = "it is locked: another program is writing to it; end that one (fuser -v shows which)"
ARCHIVE_AGAIN = 60.0
"""Seconds after which an archive that failed is tried again."""


class Store:
    """Every method is called from one thread. `largest` and `floor` are in bytes, see `HistoryTable`."""

    def __init__(self, path: Path, largest: int, floor: int) -> None:
        self._path, self._largest, self._floor = path, largest, floor
        self._connection: sqlite3.Connection | None = None
        self._boot, self._aggregator = 0, Aggregator()
        self._archive, self._archive_at, self._unarchived = Archive(path.parent, largest), 0.0, ""
        self._unchecked, self._tight = True, False
        self._audit_dropped = False
        self.trouble = self.reader = self.note = ""
        """Why nothing is kept at present; why no results are; what else somebody should know."""
        self.locked = False
        """Whether nothing is kept because another program is writing: it may be kept later."""

    @property
    def opened(self) -> bool:
        """Whether the file is open, and so was looked at."""
        return self._connection is not None

    def keep(self, some: Sequence[Row]) -> bool:
        """Put rows on the disk, all or none; return whether they are there."""
        try:
            connection = self._connection = self._connection or self._open()
            self._mind_the_floor(connection)
            self._insert_or_make_room(connection, some)
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
            return False
        self.trouble, self.locked = "", False
        return True

    def must_not_grow(self) -> bool:
        """Whether another program has read for so long that the log beside the file would grow without end.

        What somebody still reads stays in the log, so it cannot begin anew.
        """
        connection = self._connection
        grows = connection is not None and self._log_is_large() and not self._emptied(connection)
        if grows and not self.reader:
            self.reader = (
                "another program has been reading it for too long: no results are kept until it ends"
            )
            log.warning("historian: %s: %s", self._path, self.reader)
        elif self.reader and not grows:
            self.reader = ""
            log.info("historian: %s: results are kept again", self._path)
        return grows

    def _log_is_large(self) -> bool:
        try:
            size = self._path.with_name(f"{self._path.name}-wal").stat().st_size
        except OSError:
            return False
        return size > file.largest_log(self._largest)

    def _emptied(self, connection: sqlite3.Connection) -> bool:
        """Empty the log if nobody reads; wait for nobody."""
        try:
            return file.empty_log(connection)
        except sqlite3.Error as error:
            self._fail(error)
            return False

    def tend(self) -> None:
        """Go on with the aggregates and the archive of what is kept, by parts that an alarm can wait for."""
        if self._connection is None:
            return
        try:
            self._step_or_make_room(self._connection)
            self._archive_audit(self._connection)
        except sqlite3.Error as error:
            self._fail(error)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        """Open the file; every page is looked at once per process, and again once one was found damaged."""
        if self._unchecked and (kind := filesystem.kind_of(self._path.parent)) in filesystem.NETWORK:
            self.note = (
                f"the state folder is on {kind}, over the network: history is safe on a local disk alone"
            )
            log.warning("historian: %s", self.note)
        connection, aside = file.connect(self._path, self._largest, check=self._unchecked)
        self._unchecked = False
        try:
            with connection:
                self._boot = file.boot(connection, boot_id())
                if aside:
                    self.note = f"{self._path.name} was damaged and is kept as {aside}; a new one was begun"
                    when = rows.When(time.time(), time.monotonic_ns())
                    rows.event(when, "history", "damaged", self.note).insert(connection, self._clock())
        except sqlite3.Error:
            connection.close()
            raise
        self._tight = False
        self._aggregator = Aggregator()
        return connection

    def _clock(self) -> Clock:
        return Clock(self._boot, synchronised()[0])

    def _mind_the_floor(self, connection: sqlite3.Connection) -> None:
        """Let the file grow no more while the disk has too little room: then the ring turns where it is."""
        disk = os.statvfs(self._path.parent)
        tight = disk.f_bavail * disk.f_frsize < self._floor
        if tight == self._tight:
            return
        file.limit(connection, 0 if tight else self._largest)
        self._tight = tight
        if tight:
            log.warning("historian: %s: too little free space; the oldest results make room", self._path)

    def _archive_audit(self, connection: sqlite3.Connection) -> None:
        """Keep the audit to its share of the file. While its archive takes nothing, it may have more."""
        if time.monotonic() < self._archive_at:
            return
        try:
            gone = self._archive.step(connection)
        except OSError as error:
            self._archive_at = time.monotonic() + ARCHIVE_AGAIN
            if str(error) != self._unarchived:
                self._unarchived = str(error)
                log.warning("historian: the oldest rows of the audit cannot be archived: %s", error)
            return
        self._unarchived = ""
        if gone:
            log.warning("historian: audit: %s", gone)
            when = rows.When(time.time(), time.monotonic_ns())
            self._insert_or_make_room(connection, [rows.event(when, "history", "audit", gone)])

    def _make_room(self, connection: sqlite3.Connection) -> bool:
        try:
            table = file.make_room(connection)
        except sqlite3.OperationalError as error:
            # Dropping rows is written to the log first, which a full disk does not take: what is in it goes
            # to its place in the file, which needs no room, and the log begins anew.
            if not file.says_full(error) or not file.empty_log(connection):
                raise
            table = file.make_room(connection)
        if table == "audit" and not self._audit_dropped:
            self._audit_dropped = True
            self.note = "the oldest rows of the audit are dropped: neither the disk nor the file has room"
            log.error("historian: %s", self.note)
        return bool(table)

    def _insert_or_make_room(self, connection: sqlite3.Connection, some: Sequence[Row]) -> None:
        for _ in range(MOST_DROPS):
            try:
                return self._insert(connection, some)
            except sqlite3.OperationalError as error:
                if not file.says_full(error) or not self._make_room(connection):
                    raise
        return self._insert(connection, some)

    def _insert(self, connection: sqlite3.Connection, some: Sequence[Row]) -> None:
        clock = self._clock()
        with connection:
            for row in some:
                row.insert(connection, clock)

    def _step_or_make_room(self, connection: sqlite3.Connection) -> None:
        try:
            self._aggregator.step(connection)
        except sqlite3.OperationalError as error:
            if not file.says_full(error) or not self._make_room(connection):
                raise

    def _fail(self, error: sqlite3.Error | OSError) -> None:
        self.locked = file.says_locked(error)
        self.trouble = LOCKED if self.locked else str(error)
        if self.locked and self._connection is not None:
            return  # it is as good as before
        self._unchecked = self._unchecked or file.says_damaged(error)
        self.close()
