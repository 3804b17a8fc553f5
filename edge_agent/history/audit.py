"""The audit of writes: a row before each, chained by SHA-256, so that a changed or missing row shows."""

import hashlib
import json
import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from edge_agent.history import archive
from edge_agent.history.archive import Kept
from edge_agent.history.rows import Clock, When

SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL, entry TEXT, previous TEXT, hash TEXT);
"""
"""As version 4 had it."""
STAMPED = """
ALTER TABLE audit ADD COLUMN monotonic INTEGER;
ALTER TABLE audit ADD COLUMN boot INTEGER REFERENCES boot;
ALTER TABLE audit ADD COLUMN synchronised INTEGER;
"""
_INSERT = (
    "INSERT INTO audit(time, entry, previous, hash, monotonic, boot, synchronised) VALUES (?,?,?,?,?,?,?)"
)
_LAST = "SELECT hash FROM audit ORDER BY id DESC LIMIT 1"
BEGINNING = "0" * 64
NOT_SENT = "not sent: this row was not on the disk in time"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote what, from which value to which, and why; `what_came` is empty before the write.

    `old` is NaN where it was not known. `model` and `config` are SHA-256.
    """

    machine: str
    output: str
    old: float
    new: float
    why: str
    model: str
    config: str
    what_came: str = ""

    def outcome(self, text: str) -> "Entry":
        """Return the row that says what came of it."""
        return msgspec.structs.replace(self, what_came=text)

    def text(self) -> str:
        """Return it as JSON, numbers that are none as null."""
        plain = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in self._pairs()}
        return json.dumps(plain, sort_keys=True)

    def _pairs(self) -> list[tuple[str, object]]:
        return [(name, getattr(self, name)) for name in self.__struct_fields__]


class Attempt:
    """A row that nobody waits for any more once it is `late`: what it stands for is not done."""

    def __init__(self, entry: Entry, when: When) -> None:
        self._entry, self._when = entry, when
        self.late = self._there = False

    def insert(self, connection: sqlite3.Connection, clock: Clock) -> None:
        """Put it down, in the writer's thread."""
        if not self.late:
            insert(connection, self._when, clock, self._entry)
            self._there = True

    def take_back(self, connection: sqlite3.Connection, clock: Clock) -> None:
        """Say that nothing was sent, if the row may be there all the same."""
        if self._there:
            insert(connection, self._when, clock, self._entry.outcome(NOT_SENT))


def insert(connection: sqlite3.Connection, when: When, clock: Clock, entry: Entry) -> None:
    """Add a row to the chain. Only ever one connection writes."""
    row = connection.execute(_LAST).fetchone()
    previous = row[0] if row else BEGINNING
    (boot,) = connection.execute("SELECT boot FROM boot WHERE id = ?", (clock.boot,)).fetchone()
    text, stamp = entry.text(), (when.monotonic, boot, int(clock.synchronised))
    own = _hash(when.wall, text, previous, stamp)
    stored = (when.monotonic, clock.boot, clock.synchronised)
    connection.execute(_INSERT, (when.wall, text, previous, own, *stored))


def verify(path: Path) -> list[str]:
    """Return what is wrong with the chain of a history file and its archive, in sentences; nothing if whole.

    Raises sqlite3.Error if it cannot be read.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as connection:
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
        wrong, before = [], None
        try:
            for row in archive.kept(connection, path.parent):
                wrong += _wrong(before, row)
                before = row
        except archive.Damaged as error:
            return [*wrong, str(error)]
    if last and (before is None or before[0] < last[0]):
        wrong.append(f"the last rows, up to {last[0]}, are missing")
    return wrong


def _wrong(before: Kept | None, row: Kept) -> list[str]:
    """Return what is wrong with a row, which follows `before`, None for the first that is kept."""
    number, at, text, previous, found, *stamp = row
    wrong = []
    if number == 1 and previous == BEGINNING:
        before = None  # a new database, after one that was damaged
    if found != _hash(at, text, previous, stamp):
        wrong.append(f"row {number} was changed: {text}")
    if before is not None and number != before[0] + 1:
        wrong.append(f"rows {before[0] + 1} to {number - 1} are missing")
    elif before is not None and previous != before[4]:
        wrong.append(f"row {number} does not follow row {before[0]}")
    return wrong


def _hash(at: float, text: str, previous: str, stamp: Sequence[object]) -> str:
    """Return the hash of a row. Those of files before version 5 have no stamp."""
    # Of a damaged file anything may be NULL: that has a hash as well, a wrong one.
    parts = [previous, repr(at), text, *(() if stamp[0] is None else stamp)]
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
