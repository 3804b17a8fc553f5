"""What an alarm would have been worth: replayed rows against known faults.

A fault is a stretch of time in which an alarm is wanted: from when it can be seen to when it is too late.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
WEEK = 7 * 86_400.0


class Rows(NamedTuple):
    """What one output of one machine said: seconds since 1970, float64[n], growing; score; alarm."""

    at: Floats
    score: Floats
    alarm: Bools


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which an alarm is wanted, both ends included, in seconds since 1970."""

    name: str
    start: float
    end: float


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """How one fault was met, in seconds, NaN if it was missed.

    `delay` is from its start to the alarm, 0 for one that stood before; `lead` from the alarm to its end.
    """

    fault: Fault
    delay: float
    lead: float

    @property
    def missed(self) -> bool:
        """Whether there was no alarm in all of it."""
        return math.isnan(self.delay)


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """How an alarm did over n rows.

    A false alarm is one that was raised and gone again without a row inside a fault. `healthy` is the time
    outside of faults, in seconds. Precision, recall, F1, `far` (of the healthy rows, how many had an alarm)
    and `mar` (of the faulty rows, how many had none) count rows. NaN is what the data does not tell.
    """

    rows: int
    without_result: int
    found: list[Found]
    false_alarms: int
    false_per_week: float
    healthy: float
    precision: float
    recall: float
    f1: float
    far: float
    mar: float

    @property
    def missed(self) -> int:
        """How many faults had no alarm."""
        return sum(one.missed for one in self.found)


def backtest(rows: Rows, faults: Sequence[Fault]) -> Backtest:
    """Judge replayed rows. Faults of which no row was replayed are left out."""
    seen = [fault for fault in faults if _inside(rows, fault).any()]
    faulty = np.zeros(len(rows.at), np.bool_)
    for fault in seen:
        faulty |= _inside(rows, fault)
    alarm = rows.alarm
    hits, alarms, wanted = int((alarm & faulty).sum()), int(alarm.sum()), int(faulty.sum())
    # A row stands for the time until the next, but a hole in the recording is nobody's healthy time.
    lasts = np.diff(rows.at, append=rows.at[-1])
    step = float(np.median(lasts[:-1])) if len(lasts) > 1 else 0.0
    healthy = float(np.minimum(lasts, 2.5 * step)[~faulty].sum())
    false = sum(not faulty[a:b].any() for a, b in episodes(alarm))
    return Backtest(
        rows=len(rows.at),
        without_result=int(np.isnan(rows.score).sum()),
        found=[_met(rows, fault) for fault in seen],
        false_alarms=false,
        false_per_week=false * WEEK / healthy if healthy else math.nan,
        healthy=healthy,
        precision=hits / alarms if alarms else math.nan,
        recall=hits / wanted if wanted else math.nan,
        f1=2 * hits / (alarms + wanted) if alarms + wanted else math.nan,
        far=(alarms - hits) / (len(alarm) - wanted) if wanted < len(alarm) else math.nan,
        mar=1 - hits / wanted if wanted else math.nan,
    )


def episodes(alarm: Bools) -> list[tuple[int, int]]:
    """Return the stretches of rows with an alarm, each its first row and the one after its last."""
    edges = np.flatnonzero(np.diff(alarm, prepend=False, append=False)).tolist()
    return list(pairwise(edges))[::2]


def intervals(at: Floats, labels: Bools) -> list[Fault]:
    """Return the stretches of rows that are labelled, as faults."""
    return [
        Fault(name=f"fault {number}", start=float(at[a]), end=float(at[b - 1]))
        for number, (a, b) in enumerate(episodes(labels), 1)
    ]


def _inside(rows: Rows, fault: Fault) -> Bools:
    return np.asarray((rows.at >= fault.start) & (rows.at <= fault.end))


def _met(rows: Rows, fault: Fault) -> Found:
    raised = np.flatnonzero(_inside(rows, fault) & rows.alarm)
    if not len(raised):
        return Found(fault=fault, delay=math.nan, lead=math.nan)
    at = float(rows.at[raised[0]])
    first = _inside(rows, fault).argmax() == raised[0]
    return Found(fault=fault, delay=0.0 if first else at - fault.start, lead=fault.end - at)
