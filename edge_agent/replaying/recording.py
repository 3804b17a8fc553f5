"""A recording: values by the time, out of a CSV or a Parquet file."""

import csv
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.arrow import load as load_arrow
from edge_agent.config.fields import nearest
from edge_agent.core.tags import Floats, Nanoseconds

TIMES = ("time", "timestamp", "datetime", "date")
"""What the column that says when may be called, unless it is named."""
_SUFFIXES = (".parquet", ".pq")
_EPOCHS = ((1e17, 1), (1e14, 1_000), (1e11, 1_000_000))
"""A number above the first is in ns, then in us, then in ms: seconds have ten digits until 2286."""
_NS = 1_000_000_000


class RecordingError(Exception):
    """A recording that cannot be played; the text names the file, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Recording:
    """n rows of the columns `names`: float64[n, names], NaN where the file has no value.

    `at` is int64[n] in ns since 1970 and never falls; None where each row is the next tick.
    """

    names: list[str]
    at: Nanoseconds | None
    value: Floats


def header(path: Path) -> list[str]:
    """Return the names of a file's columns. Raises `RecordingError`."""
    try:
        if path.suffix in _SUFFIXES:
            return list(_pyarrow(path)[1].ParquetFile(path).schema_arrow.names)
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _head(file.readline())[0]
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise RecordingError(f"{path}: not a text file; save it as CSV in UTF-8") from None


def load(path: Path, columns: Mapping[str, str], time: str | None) -> Recording:
    """Read the columns that are the values of `columns`, by the names that are its keys.

    `time` is the column that says when: ISO 8601, UTC unless it says otherwise, or a number since 1970. With
    None each row is the next tick. Raises `RecordingError`.
    """
    known, wanted = header(path), list(columns.values())
    for column in [*wanted, *([time] if time else [])]:
        if column not in known:
            raise RecordingError(f"{path}: no column {column!r}; {nearest(column, known)}")
    read = _read_parquet if path.suffix in _SUFFIXES else _read_csv
    at, value = read(path, wanted, time)
    if not len(value):
        raise RecordingError(f"{path}: no rows")
    if at is not None and (np.diff(at) < 0).any():
        row = int((np.diff(at) < 0).argmax()) + 2
        raise RecordingError(f"{path}: time goes backwards at data row {row}; sort the rows by time")
    return Recording(list(columns), at, value)


def time_column(path: Path, known: Sequence[str]) -> str:
    """Return the one of a file's columns that says when. Raises `RecordingError`."""
    found = [name for name in known if name.lower() in TIMES]
    if not found:
        raise RecordingError(
            f"{path}: no column is called {', '.join(TIMES)}; name it with --time, "
            "or say --rows-are-ticks if every row is one period after the one before"
        )
    return found[0]


def _head(line: str) -> tuple[list[str], str]:
    delimiter = ";" if line.count(";") > line.count(",") else ","
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])], delimiter


def _read_csv(path: Path, wanted: Sequence[str], time: str | None) -> tuple[Nanoseconds | None, Floats]:
    numbers, at = array("d"), array("q")
    with path.open(newline="", encoding="utf-8-sig") as file:
        names, delimiter = _head(file.readline())
        places, when = [names.index(name) for name in wanted], names.index(time) if time else -1
        lines = csv.reader(file, delimiter=delimiter)
        for row in filter(None, lines):
            try:
                if len(row) != len(names):
                    raise ValueError(f"{len(row)} cells, the header has {len(names)}")  # noqa: TRY301
                if delimiter == ";":
                    row = [cell.replace(",", ".") for cell in row]  # noqa: PLW2901
                numbers.extend([_number(row[place]) for place in places])
                if time:
                    at.append(moment(row[when]))
            except ValueError as error:
                raise RecordingError(f"{path}: line {lines.line_num + 1}: {error}") from None
    values = np.array(numbers).reshape(-1, len(wanted))
    return (np.array(at, np.int64) if time else None), values


def _number(cell: str) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        if cell.strip():
            raise ValueError(f"{cell!r} is not a number") from None
        return float("nan")


def moment(cell: str) -> int:
    """Return the ns since 1970 that a cell tells. Raises ValueError."""
    try:
        return _since_1970(float(cell))
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(cell.strip())
    except ValueError:
        raise ValueError(f"{cell!r} is not a time, such as 2026-11-23T08:15:00Z") from None
    since = when.replace(tzinfo=when.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def _since_1970(number: float) -> int:
    unit = next((ns for least, ns in _EPOCHS if number > least), _NS)
    return round(number * unit)


def _read_parquet(path: Path, wanted: Sequence[str], time: str | None) -> tuple[Nanoseconds | None, Floats]:
    arrow, parquet = _pyarrow(path)
    try:
        table = parquet.read_table(path, columns=[*dict.fromkeys([*wanted, *([time] if time else [])])])
        values = [table[name].cast(arrow.float64()).to_numpy() for name in wanted]
        at = _moments(table[time], arrow) if time else None
    except (OSError, arrow.ArrowException) as error:
        raise RecordingError(f"{path}: {error}") from None
    return at, np.column_stack(values) if wanted else np.empty((table.num_rows, 0))


def _moments(column: Any, arrow: Any) -> Nanoseconds:
    if arrow.types.is_timestamp(column.type):
        return np.asarray(column.cast(arrow.timestamp("ns", column.type.tz)).cast(arrow.int64()).to_numpy())
    if arrow.types.is_string(column.type):
        return np.array([moment(cell) for cell in column.to_pylist()], np.int64)
    return np.array([_since_1970(float(cell)) for cell in column.to_pylist()], np.int64)


def _pyarrow(path: Path) -> tuple[Any, Any]:
    try:
        return load_arrow()
    except ModuleNotFoundError as error:
        raise RecordingError(f"{path}: {error}") from None
