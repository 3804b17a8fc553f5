"""The two files of a backtest: the rows that `edge-agent replay` wrote, and the faults that are known."""

import csv
import itertools
import math
from array import array
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from converter.backtest import Fault, Rows, intervals
from converter.errors import ConverterError
from edge_agent.config.fields import nearest
from edge_agent.replaying.recording import TIMES, moment

_NS = 1e9
Cells = dict[str, Any]


def read_rows(path: Path, machine: str = "", output: str = "") -> Rows:
    """Read what one output of one machine said; "" is the only machine, or its score.

    Raises `ConverterError`.
    """
    prefix = f"{output}." if output else ""
    at, score, alarm = array("d"), array("d"), array("b")
    machines: dict[str, None] = {}
    for row in _cells(path):
        if "machine" not in row:
            raise ConverterError(f"{path}: no column 'machine': not what `edge-agent replay` writes")
        if f"{prefix}score" not in row:
            known = [name.removesuffix(".score") for name in row if name.endswith(".score")]
            raise ConverterError(f"{path}: no output {output!r}; {nearest(output, known)}")
        machines[str(row["machine"])] = None
        if machine in ("", row["machine"]):
            at.append(_seconds(path, row["time"]))
            score.append(_number(path, row[f"{prefix}score"]))
            alarm.append(_number(path, row[f"{prefix}alarm"]) == 1)
    if not machine and len(machines) > 1:
        raise ConverterError(f"{path}: several machines, {', '.join(machines)}; say which with --machine")
    if not at:
        wrong = f"no machine {machine!r}; {nearest(machine, machines)}" if machines else "no rows"
        raise ConverterError(f"{path}: {wrong}")
    if (np.diff(at) < 0).any():
        raise ConverterError(f"{path}: the rows are not in the order of their time")
    return Rows(np.array(at), np.array(score), np.array(alarm, np.bool_))


def read_faults(path: Path, column: str = "", horizon: float = 0.0) -> list[Fault]:
    """Read faults in one of three forms. Raises `ConverterError`.

    A row ``start,end`` is a fault, with a ``name`` if there is one. A row ``time`` is a breakdown, before
    which an alarm is wanted for `horizon` seconds. With `column` the file is a recording, and a fault lasts
    while that column is not 0.
    """
    rows = _cells(path)
    first = next(rows, {})
    when = next((name for name in first if name.lower() in TIMES), "")
    table = itertools.chain([first] if first else [], rows)
    if column:
        return _labelled(path, table, first, when, column)
    if {"start", "end"} <= set(first):
        named = [(row, _seconds(path, row["start"]), _seconds(path, row["end"])) for row in table]
    elif when and horizon > 0:
        named = [(row, (end := _seconds(path, row[when])) - horizon, end) for row in table]
    elif when:
        raise ConverterError(f"{path}: these are moments; say with --horizon how long before an alarm counts")
    else:
        raise ConverterError(f"{path}: needs the columns start and end, or time, or --column with its labels")
    if any(end < start for _, start, end in named):
        raise ConverterError(f"{path}: a fault that ends before it starts")
    return [
        Fault(name=str(row.get("name") or f"fault {number}"), start=start, end=end)
        for number, (row, start, end) in enumerate(named, 1)
    ]


def _labelled(path: Path, table: Iterable[Cells], first: Cells, when: str, column: str) -> list[Fault]:
    if column not in first or not when:
        wrong = f"no column {column!r}; {nearest(column, first)}" if when else "no column that says when"
        raise ConverterError(f"{path}: {wrong}")
    at, label = array("d"), array("b")
    for row in table:
        at.append(_seconds(path, row[when]))
        label.append(_number(path, row[column]) > 0)
    return intervals(np.array(at), np.array(label, np.bool_))


def _cells(path: Path) -> Iterator[Cells]:
    try:
        if path.suffix in (".parquet", ".pq"):
            yield from import_module("pyarrow.parquet").read_table(path).to_pylist()
            return
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            delimiter = ";" if first.count(";") > first.count(",") else ","
            file.seek(0)
            yield from csv.DictReader(file, delimiter=delimiter)
    except OSError as error:
        raise ConverterError(f"{path}: {error.strerror or error}") from None
    except ModuleNotFoundError:
        raise ConverterError(f"{path}: Parquet needs pyarrow: pip install 'edge-agent[parquet]'") from None
    except (csv.Error, UnicodeDecodeError, ValueError) as error:
        raise ConverterError(f"{path}: {error}") from None


def _seconds(path: Path, cell: object) -> float:
    try:
        return moment(str(cell)) / _NS
    except ValueError as error:
        raise ConverterError(f"{path}: {error}") from None


def _number(path: Path, cell: object) -> float:
    try:
        return math.nan if cell in (None, "") else float(str(cell))
    except ValueError:
        raise ConverterError(f"{path}: {cell!r} is not a number") from None
