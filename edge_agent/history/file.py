"""The history file: opened whole or set aside, brought up to this version's tables, bounded in size."""

import logging
import sqlite3
import time
from pathlib import Path

from edge_agent.history import aggregator, audit

log = logging.getLogger(__name__)

VERSION = 5
LARGEST = 10**9
"""Bytes. The cap comes before the disk's: a full disk cannot even be tidied up."""
PAGE = 4096
PATIENCE_MS = 1000
"""How long a commit waits for another program that writes."""
SMALLEST_LOG = 16_000_000
"""Bytes of the log beside it. It is cut to a quarter of that when it begins anew."""

TABLES = """
CREATE TABLE result (
    id INTEGER PRIMARY KEY, time REAL, machine TEXT, sequence INTEGER, state TEXT, reason TEXT,
    score REAL, alarm INTEGER, inputs TEXT, outputs TEXT);
CREATE TABLE alarm (
    id INTEGER PRIMARY KEY, time REAL, machine TEXT, output TEXT, active INTEGER, score REAL,
    alarm TEXT, warning TEXT);
CREATE TABLE event (id INTEGER PRIMARY KEY, time REAL, subject TEXT, kind TEXT, text TEXT);
"""
"""As version 2 had them."""

STEPS = {
    1: """
        ALTER TABLE result ADD COLUMN outputs TEXT;
        ALTER TABLE alarm ADD COLUMN output TEXT;
        ALTER TABLE alarm ADD COLUMN alarm TEXT;
        ALTER TABLE alarm ADD COLUMN warning TEXT;
        """,
    2: """
        CREATE TABLE boot (id INTEGER PRIMARY KEY, boot TEXT UNIQUE);
        ALTER TABLE result ADD COLUMN monotonic INTEGER;
        ALTER TABLE result ADD COLUMN boot INTEGER REFERENCES boot;
        ALTER TABLE result ADD COLUMN synchronised INTEGER;
        ALTER TABLE alarm ADD COLUMN monotonic INTEGER;
        ALTER TABLE alarm ADD COLUMN boot INTEGER REFERENCES boot;
        ALTER TABLE alarm ADD COLUMN synchronised INTEGER;
        ALTER TABLE event ADD COLUMN monotonic INTEGER;
        ALTER TABLE event ADD COLUMN boot INTEGER REFERENCES boot;
        ALTER TABLE event ADD COLUMN synchronised INTEGER;
        CREATE UNIQUE INDEX alarm_once ON alarm(boot, monotonic, machine, output);
        CREATE UNIQUE INDEX event_once ON event(boot, monotonic, subject, kind);
        """,
    3: aggregator.TABLES,
    4: audit.SCHEMA + audit.STAMPED,
}
"""What brings a file of a version to the next."""

_OLDEST = """
DELETE FROM {0} WHERE id <= (SELECT min(id) FROM {0})
    + min(2000, ((SELECT max(id) FROM {0}) - (SELECT min(id) FROM {0})) / 64)
"""
"""Few at a time, because an alarm may wait behind them. Each least and largest asked for alone is no scan."""
_GOING = ("result", "minute", "event", "hour", "audit", "alarm")
"""What makes room, in this order. The audit does where its archive could take nothing for long."""
SHARE = 0.25
"""Of the file, from which on minutes make room before results do."""
_MINUTES = """
SELECT (max(id) - min(id)) * (SELECT avg(length(scores) + length(inputs)) FROM
    (SELECT scores, inputs FROM minute ORDER BY id DESC LIMIT 100)) FROM
    (SELECT (SELECT min(id) FROM minute) AS id UNION ALL SELECT (SELECT max(id) FROM minute))
"""

_BROKEN = ("file is not a database", "malformed", "file is encrypted")


def connect(path: Path, largest: int = LARGEST, *, check: bool = True) -> tuple[sqlite3.Connection, str]:
    """Open the history for its one writer. A file that is damaged is set aside and a new one begun.

    Return the name that the damaged one has now as well, "" if there is none. With `check` every page is
    looked at. Raises sqlite3.Error or OSError if there can be none, for want of space or permission.
    """
    try:
        return _open(path, largest, check=check), ""
    except sqlite3.DatabaseError as error:
        if not says_damaged(error):
            raise
        aside = _set_aside(path)
        log.warning(
            "history: %s is damaged (%s); it is kept as %s, a new one is begun", path, error, aside.name
        )
        return _open(path, largest, check=check), aside.name


def says_damaged(error: Exception) -> bool:
    """Whether an error means that the file is no good, and not that the disk has no room or no time."""
    return isinstance(error, sqlite3.DatabaseError) and any(word in str(error) for word in _BROKEN)


def says_full(error: Exception) -> bool:
    """Whether an error means that the disk has no room, or the file as many pages as it may have."""
    return "full" in str(error)


def says_locked(error: Exception) -> bool:
    """Whether an error means that another connection has the file for itself at the moment."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def largest_log(largest: int) -> int:
    """Return how many bytes the log beside a file of so many may have, once nobody can empty it."""
    return max(largest // 10, SMALLEST_LOG)


def empty_log(connection: sqlite3.Connection) -> bool:
    """Begin the log anew; return False if somebody is in the way, without waiting for them."""
    connection.execute("PRAGMA busy_timeout=0")
    try:
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
    return not busy


def make_room(connection: sqlite3.Connection) -> str:
    """Drop the oldest rows: results first, alarms last. Return of which table, "" if there were none."""
    for table in ("minute", *_GOING) if _minutes(connection) > SHARE else _GOING:
        with connection:
            if connection.execute(_OLDEST.format(table)).rowcount > 0:
                return table
    return ""


def _minutes(connection: sqlite3.Connection) -> float:
    """Return about which share of the file the minutes take."""
    (taken,) = connection.execute(_MINUTES).fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    return (taken or 0.0) / (int(pages) * PAGE)


def limit(connection: sqlite3.Connection, largest: int) -> None:
    """Let the file grow to so many bytes, never below what it has."""
    connection.execute(f"PRAGMA max_page_count={max(1, largest // PAGE)}")


def boot(connection: sqlite3.Connection, name: str) -> int:
    """Return the row of a boot in the table, which may be new."""
    connection.execute("INSERT OR IGNORE INTO boot(boot) VALUES (?)", (name,))
    (number,) = connection.execute("SELECT id FROM boot WHERE boot = ?", (name,)).fetchone()
    return int(number)


def _open(path: Path, largest: int, *, check: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=PATIENCE_MS / 1000)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={SMALLEST_LOG // 4}")
        limit(connection, largest)
        # A page that is broken in the middle takes inserts without a word, so look at all of them once.
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone() if check else ("ok",)
        if said != "ok":
            raise sqlite3.DatabaseError(f"malformed: {said}")
        _bring_up(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _bring_up(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise sqlite3.DatabaseError(f"malformed: of version {version}, and this agent knows {VERSION}")
    if version == VERSION:
        return
    steps = ""
    if version == 0:
        # The first release wrote no version.
        old = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'result'").fetchone()
        version, steps = (1, "") if old else (2, TABLES)
    steps += "".join(STEPS[step] for step in range(version, VERSION))
    connection.executescript(f"BEGIN; {steps} PRAGMA user_version = {VERSION}; COMMIT;")


def _set_aside(path: Path) -> Path:
    """Rename the file and what belongs to it. One that was set aside before goes: each may be large."""
    for before in path.parent.glob(f"{path.name}.damaged-*"):
        before.unlink()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
