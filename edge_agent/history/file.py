"""The history file: opened whole or set aside, brought up to this version's tables, bounded in size."""

import logging
import sqlite3
import time
from pathlib import Path

from edge_agent.history import audit

log = logging.getLogger(__name__)

VERSION = 2
LARGEST = 2 * 1024**3
"""Bytes. The cap comes before the disk's: a full disk cannot even be tidied up."""
PAGE = 4096

TABLES = """
CREATE TABLE result (
    id INTEGER PRIMARY KEY, time REAL, machine TEXT, sequence INTEGER, state TEXT, reason TEXT,
    score REAL, alarm INTEGER, inputs TEXT, outputs TEXT);
CREATE TABLE alarm (
    id INTEGER PRIMARY KEY, time REAL, machine TEXT, output TEXT, active INTEGER, score REAL,
    alarm TEXT, warning TEXT);
CREATE TABLE event (id INTEGER PRIMARY KEY, time REAL, subject TEXT, kind TEXT, text TEXT);
"""

FROM_BEFORE = """
ALTER TABLE result ADD COLUMN outputs TEXT;
ALTER TABLE alarm ADD COLUMN output TEXT;
ALTER TABLE alarm ADD COLUMN alarm TEXT;
ALTER TABLE alarm ADD COLUMN warning TEXT;
"""
"""From a file without a version, as the first release wrote it."""

_OLDEST = "DELETE FROM result WHERE id <= (SELECT min(id) + (max(id) - min(id)) / 10 FROM result)"

_BROKEN = ("file is not a database", "malformed", "file is encrypted")


def connect(path: Path, largest: int = LARGEST) -> sqlite3.Connection:
    """Open the history for its one writer. A file that is damaged is set aside and a new one begun.

    Raises sqlite3.Error if there can be none, for want of space or permission.
    """
    try:
        return _open(path, largest)
    except sqlite3.DatabaseError as error:
        if not any(word in str(error) for word in _BROKEN):
            raise
        aside = _set_aside(path)
        log.warning(
            "history: %s is damaged (%s); it is kept as %s, a new one is begun", path, error, aside.name
        )
        return _open(path, largest)


def make_room(connection: sqlite3.Connection) -> None:
    """Drop the oldest tenth of the results: telemetry goes first; alarms, events and the audit stay."""
    with connection:
        connection.execute(_OLDEST)


def _open(path: Path, largest: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=1.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA max_page_count={largest // PAGE}")
        # A page that is broken in the middle takes inserts without a word, so look at all of them once.
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise sqlite3.DatabaseError(f"malformed: {said}")
        _bring_up(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _bring_up(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version > VERSION:
        raise sqlite3.DatabaseError(f"malformed: of version {version}, and this agent knows {VERSION}")
    old = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'result'").fetchone()
    tables = FROM_BEFORE if old else TABLES
    connection.executescript(f"BEGIN; {tables} {audit.SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


def _set_aside(path: Path) -> Path:
    """Rename the file and what belongs to it; nothing of it is lost."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
