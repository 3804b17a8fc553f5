"""Recorded data: a CSV file with a header, or a two-dimensional ``.npy`` table."""

import csv
import io
import itertools
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converter.errors import ConverterError
from edge_agent.config.fields import nearest

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Table:
    """`values` float64[n, columns], finite; `run` int64[n] grows by one or more where contiguity ends.

    `dropped` rows were left out because they were not finite.
    """

    values: Floats
    run: Integers
    dropped: int


def read(
    path: Path, wanted: Sequence[str], group: str, names: Sequence[str], drop_nan: bool, *, time: str = ""
) -> Table:
    """Read the `wanted` columns. `names` are the columns of a ``.npy`` table, `group` may be empty.

    The column `time` may hold ISO dates: they are read as seconds since 1970, UTC if they do not say. Raises
    `ConverterError` that names the line and the column.
    """
    if path.suffix == ".npy":
        with _readable(path):
            values, run = _from_npy(path, wanted, group, names)
    else:
        with _readable(path), path.open(newline="", encoding="utf-8-sig") as file:
            values, run = _from_csv(path, file, wanted, group, time)
    if len(values) == 0:
        raise ConverterError(f"{path}: no rows")
    bad = np.any(~np.isfinite(values), axis=1)
    if bad.any() and not drop_nan:
        row = int(bad.argmax())
        column = wanted[int((~np.isfinite(values[row])).argmax())]
        raise ConverterError(
            f"{path}: {bad.sum()} of {len(bad)} rows hold an empty cell, NaN or infinity "
            f"(first in data row {row + 1}, column {column!r}); repair them or use --drop-nan"
        )
    if bad.all():
        raise ConverterError(f"{path}: not one row is finite in every column that the card names")
    # A row left out is a hole: no window may span it.
    return Table(values[~bad], (run + np.cumsum(bad))[~bad], int(bad.sum()))


def head(path: Path, count: int) -> tuple[list[str], list[list[str]], str]:
    """Return the header of a CSV file, the cells of up to `count` rows, and what separates cells.

    Raises `ConverterError`.
    """
    with _readable(path), path.open(newline="", encoding="utf-8-sig") as file:
        header, delimiter = _header(file)
        rows = [cells for _, cells in itertools.islice(_lines(path, file, delimiter, len(header)), count)]
    if not rows:
        raise ConverterError(f"{path}: no rows")
    return header, rows, delimiter


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConverterError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConverterError(f"{path}: not a text file; save it as CSV in UTF-8") from None


def _from_npy(path: Path, wanted: Sequence[str], group: str, names: Sequence[str]) -> tuple[Floats, Integers]:
    try:
        table = np.load(path, allow_pickle=False, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise ConverterError(f"{path}: {error}") from None
    if table.ndim != 2 or table.dtype.kind not in "fiu":
        raise ConverterError(f"{path}: {table.dtype} {table.shape}, not a two-dimensional table of numbers")
    if len(names) != table.shape[1]:
        raise ConverterError(
            f"{path}: {table.shape[1]} columns, the card's `columns` names {len(names)}; name each of them"
        )
    found = _find(path, wanted, group, names)
    values = np.array(table[:, found[: len(wanted)]], np.float64)
    if not group:
        return values, np.zeros(len(values), np.int64)
    marks = table[:, found[-1]]
    return values, np.concatenate([[0], np.cumsum(marks[1:] != marks[:-1])]).astype(np.int64)


def _from_csv(
    path: Path, file: io.TextIOWrapper, wanted: Sequence[str], group: str, time: str
) -> tuple[Floats, Integers]:
    header, delimiter = _header(file)
    found = _find(path, wanted, group, header)
    numbers, run = array("d"), array("q")
    mark, runs = None, 0
    for line, cells in _lines(path, file, delimiter, len(header)):
        for column in found[: len(wanted)]:
            read_cell = moment if header[column] == time else number
            try:
                numbers.append(read_cell(cells[column], delimiter))
            except ValueError:
                raise ConverterError(
                    f"{path}: line {line}, column {header[column]!r}: {cells[column]!r} is not a "
                    f"{'time' if header[column] == time else 'number'}"
                ) from None
        if group and cells[found[-1]] != mark:
            mark, runs = cells[found[-1]], runs + 1
        run.append(runs)
    return np.array(numbers).reshape(-1, len(wanted)), np.array(run, np.int64)


def _header(file: io.TextIOWrapper) -> tuple[list[str], str]:
    first = file.readline()
    delimiter = ";" if first.count(";") > first.count(",") else ","
    return [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])], delimiter


def _lines(path: Path, file: io.TextIOWrapper, delimiter: str, width: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, delimiter=delimiter)
    try:
        for cells in reader:
            if not cells:
                continue
            if len(cells) != width:
                raise ConverterError(
                    f"{path}: line {reader.line_num + 1}: {len(cells)} cells, the header has {width}"
                )
            yield reader.line_num + 1, cells
    except csv.Error as error:
        raise ConverterError(f"{path}: line {reader.line_num + 1}: {error}") from None


def number(cell: str, delimiter: str) -> float:
    """Read a cell, NaN if it is empty. Raises ValueError if it is no number."""
    # Where cells are separated by semicolons, the comma is the decimal sign.
    return float((cell.replace(",", ".") if delimiter == ";" else cell) if cell.strip() else "nan")


def moment(cell: str, delimiter: str) -> float:
    """Read a time, a number of seconds since 1970 or an ISO date. Raises ValueError if it is none."""
    try:
        return number(cell, delimiter)
    except ValueError:
        at = datetime.fromisoformat(cell.strip())
        return at.replace(tzinfo=at.tzinfo or UTC).timestamp()


def _find(path: Path, wanted: Sequence[str], group: str, header: Sequence[str]) -> list[int]:
    names = [*wanted, group] if group else list(wanted)
    missing = [f"{name} ({nearest(name, header)})" for name in names if name not in header]
    if missing:
        raise ConverterError(
            f"{path}: no column {', '.join(missing)}; its first line names: {', '.join(header)[:500]}"
        )
    doubled = [name for name in names if list(header).count(name) > 1]
    if doubled:
        raise ConverterError(f"{path}: two columns are named {doubled[0]!r}; rename one")
    return [list(header).index(name) for name in names]
