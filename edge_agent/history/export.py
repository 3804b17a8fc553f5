"""History into files for other programs: rows of the database, and the images of the flight recorder."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from edge_agent.core.tags import Quality
from edge_agent.history import archive, file
from edge_agent.history.flight import read_flight
from edge_agent.history.reading import read_layouts
from edge_agent.history.tables import ExportError, Kind, table

TABLES = {"results": "result", "alarms": "alarm", "events": "event", "audit": "audit"}
AT_ONCE = 10_000
"""Rows in one read: a longer one would keep the agent from tidying its file up."""
_KINDS = {"REAL": "number", "INTEGER": "integer", "TEXT": "text"}


def export_rows(path: Path, what: str, since: float, until: float, out: Path) -> int:
    """Write rows of a history file, in the order in which they were kept; return how many.

    `what` is of `TABLES`; `since` and `until` are wall times in seconds since 1970. Raises `ExportError`,
    OSError, sqlite3.Error.
    """
    count = 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != file.VERSION:
            raise ExportError(
                f"{path}: of version {version}, and this knows {file.VERSION}: start this agent on it once"
            )
        name = TABLES[what]
        kinds = _kinds(connection, name)
        if what == "audit":
            read = _audit(connection, path.parent, since, until)
        else:
            read = _rows(connection, name, since, until)
        with table(out, kinds) as put:
            for rows in read:
                put(list(zip(*rows, strict=True)))
                count += len(rows)
    return count


def _kinds(connection: sqlite3.Connection, name: str) -> dict[str, Kind]:
    columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
    kinds = {column: _KINDS[declared] for _, column, declared, *_ in columns}
    return kinds | {"time": "time", "boot": "text"}


def _audit(
    connection: sqlite3.Connection, state: Path, since: float, until: float
) -> Iterator[list[tuple[object, ...]]]:
    try:
        rows = (row for row in archive.kept(connection, state) if since <= row[1] <= until)
        while some := list(islice(rows, AT_ONCE)):
            yield [*some]
    except archive.Damaged as error:
        raise ExportError(str(error)) from None


def _rows(
    connection: sqlite3.Connection, name: str, since: float, until: float
) -> Iterator[list[tuple[object, ...]]]:
    boots: dict[object, str] = dict(connection.execute("SELECT id, boot FROM boot").fetchall())
    columns = [column for _, column, *_ in connection.execute(f"PRAGMA table_info({name})")]
    key, boot = columns.index("id"), columns.index("boot")
    query = f"SELECT * FROM {name} WHERE id > ? AND time BETWEEN ? AND ? ORDER BY id LIMIT {AT_ONCE}"  # noqa: S608 - of `TABLES`
    last = 0
    while rows := connection.execute(query, (last, since, until)).fetchall():
        last = rows[-1][key]
        yield [(*row[:boot], boots.get(row[boot]), *row[boot + 1 :]) for row in rows]


def export_flight(
    folder: Path, since: float, until: float, out: Path, *, period: float | None, quality: bool
) -> int:
    """Write the images of one scan, a column for each tag, empty where BAD; return how many.

    `period` is that of the scan, in seconds; the shortest that was recorded if not given. With `quality`
    each tag has a column for it. Raises `ExportError`, OSError, ValueError.
    """
    layouts = list(read_layouts(folder))
    if not layouts:
        raise ExportError(f"{folder}: nothing was recorded")
    periods = sorted({layout.period for layout in layouts})
    period = periods[0] if period is None else period
    if period not in periods:
        known = ", ".join(f"{p:g}" for p in periods)
        raise ExportError(f"no scan every {period:g} s was recorded; there are: {known}")
    tags = list(dict.fromkeys(tag for layout in layouts if layout.period == period for tag in layout.tags))
    kinds: dict[str, Kind] = {"time": "time"} | dict.fromkeys(tags, "number")
    if quality:
        kinds |= {f"{tag}.quality": "text" for tag in tags}
    count, names = 0, [q.name for q in Quality]
    with table(out, kinds) as put:
        for block in read_flight(folder, since, until):
            if block.layout.period != period:
                continue
            k = len(block.tick)
            place = {tag: column for column, tag in enumerate(block.layout.tags)}
            columns: list[list[object]] = [(block.wall / 1e9).tolist()]
            nothing: list[object] = [None] * k
            columns += [block.value[:, place[t]].tolist() if t in place else nothing for t in tags]
            if quality:
                columns += [
                    [names[q] for q in block.quality[:, place[t]]] if t in place else nothing for t in tags
                ]
            put(columns)
            count += k
    return count
