"""Tables into files: CSV, or Parquet where pyarrow is installed. A file is whole or not there."""

import contextlib
import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from edge_agent.arrow import load as load_arrow

Kind = str
"""``time`` (seconds since 1970), ``number``, ``integer`` or ``text``."""
Put = Callable[[Sequence[Sequence[object]]], None]
"""Takes some rows, as columns."""


class ExportError(Exception):
    """The file cannot be written; the text says why and what to do."""


@contextlib.contextmanager
def table(path: Path, kinds: Mapping[str, Kind]) -> Iterator[Put]:
    """Write a table with these columns; what is None or NaN is empty. The file appears once it is whole.

    Raises `ExportError` for a file that is there already, for a name that says neither ``.csv`` nor
    ``.parquet``, or without pyarrow; OSError.
    """
    if path.exists():
        raise ExportError(f"{path}: exists already, and is left as it is; name another file")
    if path.suffix not in _FORMATS:
        raise ExportError(f"{path}: name it .csv or .parquet")
    part = path.with_name(f".{path.name}.part")
    try:
        with _FORMATS[path.suffix](part, kinds) as put:
            yield put
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _csv(path: Path, kinds: Mapping[str, Kind]) -> Iterator[Put]:
    with path.open("w", newline="", encoding="utf-8") as file:
        yield _csv_writer(file, kinds)


def _csv_writer(file: TextIO, kinds: Mapping[str, Kind]) -> Put:
    writer = csv.writer(file)
    writer.writerow(kinds)
    cells = [_CELLS.get(kind, _plain) for kind in kinds.values()]

    def put(columns: Sequence[Sequence[object]]) -> None:
        texts = [[cell(value) for value in column] for cell, column in zip(cells, columns, strict=True)]
        writer.writerows(zip(*texts, strict=True))

    return put


@contextlib.contextmanager
def _parquet(path: Path, kinds: Mapping[str, Kind]) -> Iterator[Put]:
    try:
        pa, pq = load_arrow()
    except ModuleNotFoundError as error:
        raise ExportError(f"{error}; or name the file .csv") from None
    types = {
        "time": pa.timestamp("us", tz="UTC"),
        "number": pa.float64(),
        "integer": pa.int64(),
        "text": pa.string(),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])

    def put(columns: Sequence[Sequence[object]]) -> None:
        arrays = []
        for column, field, kind in zip(columns, schema, kinds.values(), strict=True):
            values = [_moment(value) for value in column] if kind == "time" else column
            arrays.append(pa.array(values, field.type, from_pandas=True))
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    with pq.ParquetWriter(path, schema) as writer:
        yield put


_FORMATS = {".csv": _csv, ".parquet": _parquet}


def _moment(seconds: object) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, float) else None


def _iso(seconds: object) -> str:
    moment = _moment(seconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z") if moment else ""


def _number(value: object) -> str:
    if not isinstance(value, float) or math.isnan(value):
        return ""
    return repr(value).removesuffix(".0")


def _plain(value: object) -> object:
    return "" if value is None else value


_CELLS: Mapping[Kind, Callable[[object], object]] = {"time": _iso, "number": _number}
