"""The audit of writes: a row before each, chained by SHA-256, so that a changed or missing row shows."""

import hashlib
import json
import math
import sqlite3
from pathlib import Path

import msgspec

SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL, entry TEXT, previous TEXT, hash TEXT);
"""
_INSERT = "INSERT INTO audit(time, entry, previous, hash) VALUES (?, ?, ?, ?)"
_LAST = "SELECT hash FROM audit ORDER BY id DESC LIMIT 1"
BEGINNING = "0" * 64


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


def insert(connection: sqlite3.Connection, at: float, entry: Entry) -> None:
    """Add a row to the chain; `at` is wall time in seconds since 1970. Only ever one connection writes."""
    row = connection.execute(_LAST).fetchone()
    previous = row[0] if row else BEGINNING
    text = entry.text()
    connection.execute(_INSERT, (at, text, previous, _hash(at, text, previous)))


def verify(path: Path) -> list[str]:
    """Return what is wrong with the chain in a history file, in sentences; nothing if it is whole.

    Raises sqlite3.Error if it cannot be read.
    """
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT id, time, entry, previous, hash FROM audit ORDER BY id").fetchall()
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
    connection.close()
    wrong, before = [], None
    for number, at, text, previous, found in rows:
        if found != _hash(at, text, previous):
            wrong.append(f"row {number} was changed: {text}")
        if before is not None and number != before[0] + 1:
            wrong.append(f"rows {before[0] + 1} to {number - 1} are missing")
        elif before is not None and previous != before[1]:
            wrong.append(f"row {number} does not follow row {before[0]}")
        before = (number, found)
    if last and (not rows or rows[-1][0] != last[0]):
        wrong.append(f"the last rows, up to {last[0]}, are missing")
    return wrong


def _hash(at: float, text: str, previous: str) -> str:
    return hashlib.sha256(f"{previous}\n{at!r}\n{text}".encode()).hexdigest()
