"""What replay writes down: one row a cycle and machine, as CSV or Parquet."""

import csv
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge_agent.arrow import load as load_arrow
from edge_agent.config import Config
from edge_agent.replaying.play import Cycle
from edge_agent.replaying.recording import RecordingError

HEAD = ("time", "machine", "tick", "sequence", "state", "reason", "input", "score", "alarm", "written")
"""`input` is the one that stands in the way; `score` is the first output's, `alarm` that of any output.

`written` is JSON: what was written to the PLC in this cycle, raw, by tag; empty if nothing was.
"""
_OF_OUTPUT = ("score", "value", "confidence", "alarm")
_AT_A_TIME = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = list[str | int | float | bool | None]


class Rows:
    """Turns cycles into rows. `columns` are `HEAD` and, for each output, ``NAME.score`` and so on."""

    def __init__(self, config: Config) -> None:
        outputs = [output.name for machine in config.machines for output in machine.bundle.manifest.outputs]
        self._outputs = list(dict.fromkeys(outputs))
        self.columns = [*HEAD, *(f"{name}.{part}" for name in self._outputs for part in _OF_OUTPUT)]

    def row(self, cycle: Cycle) -> Row:
        """Return the cells of one cycle, None where there is no number."""
        verdict = cycle.verdict
        readings = {reading.output: reading for reading in verdict.readings}
        cells: Row = [
            _iso(cycle.wall),
            cycle.machine,
            cycle.tick,
            cycle.sequence,
            verdict.state.name,
            verdict.reason.name,
            verdict.culprit,
            _number(verdict.score),
            int(verdict.alarm),
            _json(cycle.written),
        ]
        for name in self._outputs:
            r = readings.get(name)
            if r is None:
                cells += [None] * len(_OF_OUTPUT)
            else:
                cells += [_number(r.score), _number(r.value), _number(r.confidence), int(r.alarm)]
        return cells


@contextmanager
def writing(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Row], None]]:
    """Give a function that takes rows; the file is there whole at the end, or not at all.

    Raises `RecordingError` and OSError.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    kind = _parquet if path.suffix in (".parquet", ".pq") else _csv
    try:
        with kind(unfinished, columns) as take:
            yield take
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _csv(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Row], None]]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        # csv writes a float with the fewest digits that give it back to the bit.
        yield writer.writerow


@contextmanager
def _parquet(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Row], None]]:
    try:
        arrow, parquet = load_arrow()
    except ModuleNotFoundError as error:
        raise RecordingError(f"{path}: {error}") from None
    schema = arrow.schema([(name, _type(arrow, name)) for name in columns])
    rows: list[Row] = []
    with parquet.ParquetWriter(path, schema) as writer:

        def flush() -> None:
            cells = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in columns]
            writer.write_table(arrow.table(cells, schema=schema))
            rows.clear()

        def take(row: Row) -> None:
            rows.append(row)
            if len(rows) == _AT_A_TIME:
                flush()

        yield take
        flush()


def _type(arrow: Any, column: str) -> Any:
    name = column.rpartition(".")[2]
    if name in ("tick", "sequence", "alarm"):
        return arrow.int64()
    return arrow.float64() if name in ("score", "value", "confidence") else arrow.string()


def _iso(ns: int) -> str:
    """Return a time in UTC to the microsecond."""
    return (_EPOCH + timedelta(microseconds=ns // 1000)).isoformat().replace("+00:00", "Z")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _json(written: dict[str, float]) -> str:
    return json.dumps({tag: _number(raw) for tag, raw in written.items()}) if written else ""
