"""The rows of the history. Their values are worked out in the writer's thread, not in the cycle."""

import json
import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.tags import Columns

DIGITS = 9
"""Of an input in a result. The flight recorder has all of them."""

_RESULT = (
    "INSERT INTO result(time, monotonic, boot, synchronised, machine, sequence, state, reason, score, alarm,"
    " inputs, outputs) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
)
# A commit that failed may be on the disk all the same, so what is tried again is put there once.
_ALARM = (
    "INSERT OR IGNORE INTO alarm(time, monotonic, boot, synchronised, machine, output, active, score, alarm,"
    " warning) VALUES (?,?,?,?,?,?,?,?,?,?)"
)
_EVENT = (
    "INSERT OR IGNORE INTO event(time, monotonic, boot, synchronised, subject, kind, text)"
    " VALUES (?,?,?,?,?,?,?)"
)


@dataclass(frozen=True, slots=True)
class Clock:
    """What a commit knows of its time: the boot's row in the table, and whether the wall clock is right."""

    boot: int
    synchronised: bool


@dataclass(frozen=True, slots=True)
class When:
    """`wall` in seconds since 1970, `monotonic` in ns since the boot."""

    wall: float
    monotonic: int


@dataclass(frozen=True, slots=True)
class Row:
    """`insert` puts it into the database. What is `rare` is kept in memory while the disk fails.

    What is `telemetry` is the first that is done without.
    """

    insert: Callable[[sqlite3.Connection, Clock], None]
    rare: bool = True
    telemetry: bool = False


def result(when: When, machine: str, sequence: int, inputs: Columns, verdict: Verdict) -> Row:
    """Return the row of one cycle of a machine. An input without a value is null."""

    def insert(connection: sqlite3.Connection, clock: Clock) -> None:
        values = [None if math.isnan(v) else float(f"{v:.{DIGITS}g}") for v in inputs.value.tolist()]
        outputs = {r.output: _numbers(r) for r in verdict.readings}
        row = (machine, sequence, verdict.state.name, verdict.reason.name, _known(verdict.score))
        rest = (verdict.alarm, json.dumps(values), json.dumps(outputs))
        connection.execute(_RESULT, (*_stamp(when, clock), *row, *rest))

    return Row(insert, rare=False, telemetry=True)


def alarm(when: When, machine: str, changed: Reading) -> Row:
    """Return the row of an alarm whose state changed."""

    def insert(connection: sqlite3.Connection, clock: Clock) -> None:
        states = changed.alarm_state.name, changed.warning_state.name
        row = (machine, changed.output, changed.alarm, _known(changed.score), *states)
        connection.execute(_ALARM, (*_stamp(when, clock), *row))

    return Row(insert)


def event(when: When, subject: str, kind: str, text: str) -> Row:
    """Return the row of a sentence about something that changed."""

    def insert(connection: sqlite3.Connection, clock: Clock) -> None:
        connection.execute(_EVENT, (*_stamp(when, clock), subject, kind, text))

    return Row(insert)


def _stamp(when: When, clock: Clock) -> tuple[float, int, int, bool]:
    return when.wall, when.monotonic, clock.boot, clock.synchronised


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


def _numbers(reading: Reading) -> dict[str, float | bool]:
    """Return what an output says, without the numbers that there are not."""
    numbers = {"score": reading.score, "value": reading.value, "confidence": reading.confidence}
    return {"alarm": reading.alarm, **{name: n for name, n in numbers.items() if not math.isnan(n)}}
