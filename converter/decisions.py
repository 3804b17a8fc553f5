"""Where a converted model decides otherwise than the original, through the gateway's pipeline."""

from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from converter.dataset import Floats32
from converter.table import Floats, Integers
from edge_agent.core.manifest import Manifest
from edge_agent.core.pipeline import Pipeline

Mask = npt.NDArray[np.bool_]
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Course:
    """What the pipeline made of answers to k windows: float64[k] scores, bool[k] whether the alarm is on."""

    scores: Floats
    alarm: Mask


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """How a candidate decides, window by window, compared with the original.

    `flips` is the share of windows whose score is on the other side of the limit, `flipped` their last
    rows in the data. An alarm is missed if the candidate's is off all the while the original's is on, and
    false the other way round; both with the limits' hysteresis and delays.
    """

    limit: float
    flips: float
    flipped: list[int]
    alarms: int
    """How often the original's alarm came on."""
    missed: int
    false: int


def limit(manifest: Manifest) -> float | None:
    """Return the score at which something is decided, if there is one."""
    if manifest.limits:
        return manifest.limits.on
    return 0.5 if manifest.output.kind == "probability" else None


def course(manifest: Manifest, ends: Integers, asked: Floats32, answers: Floats32) -> Course:
    """Put answers to the windows that end at int64[k] rows, ascending, through the gateway's pipeline.

    Where rows are left out a machine has just been connected.
    """
    flat = answers.reshape(len(answers), -1)
    scores, alarm = np.empty(len(ends)), np.zeros(len(ends), np.bool_)
    pipeline = Pipeline(manifest)
    for i, end in enumerate(ends.tolist()):
        if i and end != ends[i - 1] + 1:
            pipeline = Pipeline(manifest)
        verdict = pipeline.conclude(asked[i], flat[i], round(end * manifest.period * _NS))
        scores[i], alarm[i] = verdict.score, verdict.alarm
    return Course(scores, alarm)


def compare(manifest: Manifest, ends: Integers, original: Course, candidate: Course) -> Decisions | None:
    """Compare two courses over the same windows. None if the output decides nothing."""
    on = limit(manifest)
    if on is None:
        return None
    flipped = (original.scores >= on) != (candidate.scores >= on)
    raised = episodes(ends, original.alarm)
    return Decisions(
        limit=on,
        flips=float(flipped.mean()),
        flipped=ends[flipped].tolist(),
        alarms=len(raised),
        missed=sum(not candidate.alarm[span].any() for span in raised),
        false=sum(not original.alarm[span].any() for span in episodes(ends, candidate.alarm)),
    )


def episodes(ends: Integers, alarm: Mask) -> list[slice]:
    """Return the stretches in which the alarm is on. A hole in the rows ends one."""
    found = []
    begin: int | None = None
    for i, active in enumerate(alarm.tolist()):
        if begin is not None and (not active or ends[i] != ends[i - 1] + 1):
            found.append(slice(begin, i))
            begin = None
        if active and begin is None:
            begin = i
    return found if begin is None else [*found, slice(begin, len(alarm))]
