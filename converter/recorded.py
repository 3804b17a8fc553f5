"""A recorded CSV file, looked at before anybody has said what is in it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converter import table
from converter.errors import ConverterError

Floats = npt.NDArray[np.float64]
ROWS = 10_000
"""How many of the first rows are looked at."""
_CALLED = re.compile(r"(date|time|timestamp|datetime|epoch|ts|t)([ _(\[-]*(s|ms|us|ns)[)\]]?)?")
_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_EPOCHS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"))
"""Seconds since 1970 have ten digits until the year 2286."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the first rows of a file hold. `numbers` and `texts` are columns by name, in their order.

    `time` is the column that says when, float64[n] seconds in `seconds`; "" if none does.
    """

    numbers: list[str]
    texts: list[str]
    time: str
    seconds: Floats


def look(path: Path) -> Recorded:
    """Look at a CSV file with a header. Raises `ConverterError`."""
    if path.suffix == ".npy":
        raise ConverterError(f"{path}: an .npy table has no header to infer a card from; give a card")
    header, rows, delimiter = table.head(path, ROWS)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    if len(columns) < len(header):
        raise ConverterError(f"{path}: two columns have the same name; rename one")
    time, seconds = "", np.empty(0)
    numbers: list[str] = []
    texts: list[str] = []
    for name, cells in columns.items():
        values = _numbers(cells, delimiter)
        found = None if time else _seconds(name, cells, values)
        if found is not None:
            time, seconds = name, found
        else:
            (texts if values is None else numbers).append(name)
    return Recorded(numbers, texts, time, seconds)


def _numbers(cells: tuple[str, ...], delimiter: str) -> Floats | None:
    """Return float64[n], NaN for empty cells; None if one of them is no number, or all are empty."""
    try:
        values = np.array([table.number(cell, delimiter) for cell in cells])
    except ValueError:
        return None
    return None if np.isnan(values).all() else values


def _seconds(name: str, cells: tuple[str, ...], values: Floats | None) -> Floats | None:
    """Return the seconds that a column tells, float64[n]; None if it tells no time."""
    if values is None:
        return _dates(cells)
    called = _CALLED.fullmatch(name.strip().lower())
    if called is None or not np.isfinite(values).all() or (np.diff(values) < 0).any():
        return None
    unit = called[3] or next((u for least, u in _EPOCHS if values[0] > least), "s")
    return values * _UNITS[unit]


def _dates(cells: tuple[str, ...]) -> Floats | None:
    try:
        read = [datetime.fromisoformat(cell.strip()) for cell in cells]
    except ValueError:
        return None
    aware = [at.replace(tzinfo=at.tzinfo or UTC) for at in read]
    return np.array([(at - aware[0]).total_seconds() for at in aware])
