"""Recorded history on the PLC's inputs instead of the rig."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from edge_agent.plant.registers import (
    BENCH_POINTS,
    INPUT,
    PLAYBACK_COLUMNS,
    PLAYBACK_ROW,
    POINT,
    Point,
)
from edge_agent.plant.station import IllegalValue, Memory

BEFORE_FIRST = -1


class BadRecording(Exception):
    """The CSV file cannot be played; the message says where and why."""


def load(path: Path, columns: Sequence[str] = ()) -> tuple[list[str], list[tuple[float, ...]]]:
    """Return the names of the columns and the rows of a CSV file separated by semicolons or commas.

    Without `columns` every column is taken whose first value is a number. An empty cell is NaN.
    Raises `BadRecording`.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        delimiter = ";" if ";" in file.readline() else ","
        file.seek(0)
        header, *records = [
            [cell.strip() for cell in row] for row in csv.reader(file, delimiter=delimiter) if row
        ] or [[]]
    if not records:
        raise BadRecording(f"{path}: no rows")
    for row, record in enumerate(records):
        if len(record) != len(header):
            raise BadRecording(f"{path}: row {row} has {len(record)} cells of {len(header)}")
    names = list(columns) or [name for name, cell in zip(header, records[0], strict=True) if _is_number(cell)]
    if missing := [name for name in names if name not in header]:
        raise BadRecording(f"{path}: no column {', '.join(missing)}; it has {', '.join(header)}")
    if len(set(names)) != len(names):
        raise BadRecording(f"{path}: a column comes twice: {', '.join(names)}")
    if not 1 <= len(names) <= PLAYBACK_COLUMNS:
        raise BadRecording(f"{path}: {len(names)} columns, but 1 to {PLAYBACK_COLUMNS} can be played")
    cells = [(name, header.index(name)) for name in names]
    return names, [
        tuple(_number(record[i], f"{path}: row {row}, column {name}") for name, i in cells)
        for row, record in enumerate(records)
    ]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(cell: str, place: str) -> float:
    if not cell:
        return math.nan
    if not _is_number(cell):
        raise BadRecording(f"{place}: {cell!r} is not a number")
    return float(cell)


class Playback:
    """Shows one row after the other, as consecutive float32 input registers from address 0.

    Before the first row it shows that row's values but the row number -1. After the last row it stays.
    With `stepped` it moves only when a client writes the next row's number (its low 16 bits) to the
    step register; the new row is there before the write is answered. Otherwise rows follow `period`
    seconds after each other, the first after `hold_first` seconds.
    """

    def __init__(
        self,
        names: Sequence[str],
        rows: Sequence[tuple[float, ...]],
        *,
        period: float = 0.1,
        hold_first: float = 0.0,
        stepped: bool = False,
    ) -> None:
        self.points = tuple(Point(name, INPUT, 2 * i, "float32", "ABCD") for i, name in enumerate(names))
        self.rows = rows
        self.period = period
        self.hold_first = hold_first
        self.stepped = stepped
        self.row = BEFORE_FIRST

    def scan(self, memory: Memory, elapsed: float) -> None:
        """Show the row that is due."""
        if not self.stepped and elapsed >= self.hold_first:
            due = int((elapsed - self.hold_first) / self.period + 1e-6)
            self.row = min(due, len(self.rows) - 1)
        memory["running"] = memory["permissive"] = 1
        self._show(memory)

    def written(self, memory: Memory, addresses: range) -> None:
        """Step on a write of the next row's number. Raises `IllegalValue` for any other number."""
        for point in BENCH_POINTS:
            if point.address in addresses and not (self.stepped and point.name == "playback_step"):
                raise IllegalValue(f"{point.name} does nothing in this playback")
        if POINT["playback_step"].address not in addresses:
            return
        following = self.row + 1
        if following >= len(self.rows) or memory["playback_step"] != following & 0xFFFF:
            raise IllegalValue(f"the next row is {following} of {len(self.rows)}")
        self.row = following
        self._show(memory)

    def _show(self, memory: Memory) -> None:
        for point, value in zip(self.points, self.rows[max(self.row, 0)], strict=True):
            memory.put(point, value)
        memory.put(PLAYBACK_ROW, self.row & 0xFFFFFFFF)
