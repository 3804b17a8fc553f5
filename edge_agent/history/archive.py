"""The oldest rows of the audit in files of their own: the database keeps no more of them than its share.

    state/audit/0001-000000000001.csv.gz     named by its chain and its first row

A chain begins anew with a new database, after one that was damaged.

A file is on the disk before its rows leave the database, and a cut between the two writes it once more.
"""

import csv
import gzip
import io
import re
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_agent import durable

FOLDER, SUFFIX = "audit", ".csv.gz"
SHARE = 0.1
"""Of the history's size: for the rows in the database, and once more for the files."""
ROW = 700
"""Bytes that a row takes in the database, about."""
MOST_AT_ONCE = 2000
"""Rows in a file: an alarm may wait behind them."""
COLUMNS = ("id", "time", "entry", "previous", "hash", "monotonic", "boot", "synchronised")
KEPT = """
SELECT audit.id, time, entry, previous, hash, monotonic, boot.boot, synchronised
    FROM audit LEFT JOIN boot ON boot.id = audit.boot
"""
_NAME = re.compile(rf"\d{{4,}}-\d{{12}}{re.escape(SUFFIX)}")
Kept = tuple[int, float, str, str, str, int | None, str | None, int | None]
"""A row with its `COLUMNS`. Rows of files before version 5 have no more than a wall time."""


class Damaged(Exception):
    """A file of the archive cannot be read; the text names it."""


class Archive:
    """Beside a history of `largest` bytes. Every method may raise OSError and sqlite3.Error."""

    def __init__(self, state: Path, largest: int) -> None:
        self._folder, self._size = state / FOLDER, int(SHARE * largest)
        self.most = max(4, self._size // ROW)
        """Rows that stay in the database."""

    def step(self, connection: sqlite3.Connection) -> str:
        """Move the oldest rows into a file if there are too many; return what is not kept any more, or ""."""
        # Each least and largest asked for alone is no scan; rows are numbered without a gap.
        ((first,),) = connection.execute("SELECT min(id) FROM audit").fetchall()
        ((last,),) = connection.execute("SELECT max(id) FROM audit").fetchall()
        if first is None or last - first < self.most:
            return ""
        count = min(MOST_AT_ONCE, self.most // 4)
        rows = connection.execute(f"{KEPT} ORDER BY audit.id LIMIT ?", (count,)).fetchall()
        durable.folder(self._folder)
        chain = _chain(self._folder, rows[0])
        durable.replace(self._folder / f"{chain:04d}-{first:012d}{SUFFIX}", _packed(rows))
        with connection:
            connection.execute("DELETE FROM audit WHERE id <= ?", (rows[-1][0],))
        return self._drop_oldest()

    def _drop_oldest(self) -> str:
        there = [(path, path.stat().st_size) for path in _paths(self._folder)]
        total, gone = sum(size for _, size in there), 0
        while total > self._size and len(there) - gone > 1:
            there[gone][0].unlink()
            total -= there[gone][1]
            gone += 1
        return f"rows before those in {there[gone][0].name} are not kept any more" if gone else ""


def kept(connection: sqlite3.Connection, state: Path) -> Iterator[Kept]:
    """Give all rows of the audit, the oldest first: those of the archive, and those of the database.

    Raises `Damaged`, OSError, sqlite3.Error.
    """
    # One read transaction: what the agent moves meanwhile is in the database for this reader.
    connection.execute("BEGIN")
    first = connection.execute(f"{KEPT} ORDER BY audit.id LIMIT 1").fetchone()
    chain = _chain(state / FOLDER, first) if first else 0
    for path in _paths(state / FOLDER):
        for row in _unpacked(path):
            if _name(path)[0] != chain or row[0] < first[0]:
                yield row
    yield from connection.execute(f"{KEPT} ORDER BY audit.id")
    connection.rollback()


def _paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if _NAME.fullmatch(path.name))


def _name(path: Path) -> tuple[int, int]:
    chain, first = path.name.removesuffix(SUFFIX).split("-")
    return int(chain), int(first)


def _chain(folder: Path, row: Kept) -> int:
    """Return which chain the database goes on with, whose first row is `row`. No clock decides."""
    there = _paths(folder)
    if not there:
        return 1
    newest, _ = _name(there[-1])
    begun = folder / f"{newest:04d}-{1:012d}{SUFFIX}"
    try:
        same = row[0] > 1 or (begun in there and _unpacked(begun)[0] == row)
    except Damaged:
        same = False
    return newest if same else newest + 1


def _packed(rows: Sequence[Kept]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows((*row[:1], repr(row[1]), *row[2:]) for row in rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _unpacked(path: Path) -> list[Kept]:
    try:
        text = gzip.decompress(path.read_bytes()).decode()
        rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
        return [
            (int(i), float(at), entry, before, own, _whole(monotonic), boot or None, _whole(right))
            for i, at, entry, before, own, monotonic, boot, right in rows
        ]
    except FileNotFoundError:
        return []  # dropped meanwhile
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, csv.Error) as error:
        raise Damaged(f"{path}: cannot be read: {error}") from None


def _whole(text: str) -> int | None:
    return int(text) if text else None
