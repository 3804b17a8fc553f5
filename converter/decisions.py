"""What the gateway makes of answers, output by output, and where a converted model decides otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from converter.dataset import Floats32, Windows
from converter.table import Floats, Integers
from edge_agent.core.condition import Condition
from edge_agent.core.forecast import residuals
from edge_agent.core.manifest import Manifest, Output
from edge_agent.core.scoring import scorer

Mask = npt.NDArray[np.bool_]
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Course:
    """What one output said in k windows: float64[k] scores and values, bool[k] whether the alarm is on.

    A number is NaN where `edge_agent.core.outputs.Reading` has none.
    """

    scores: Floats
    values: Floats
    alarm: Mask

    def of(self, places: Integers) -> Self:
        """Return what was said in some of the windows."""
        return type(self)(self.scores[places], self.values[places], self.alarm[places])


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """How a candidate decides by one output, window by window, compared with the original.

    `flips` is the share of windows whose score is on the other side of the limit, or that are of another
    class where there is no limit; `flipped` are their last rows in the data. An alarm is missed if the
    candidate's is off all the while the original's is on, and false the other way round; both with the
    limits' hysteresis and delays.
    """

    output: str
    limit: float | None
    flips: float
    flipped: list[int]
    alarms: int
    """How often the original's alarm came on."""
    missed: int
    false: int


def limit(output: Output) -> float | None:
    """Return the score at which something is decided, if there is one."""
    if output.limits:
        return output.limits.on
    return 0.5 if output.kind == "probability" else None


def courses(manifest: Manifest, seen: Windows, answers: Floats32) -> dict[str, Course]:
    """Return what the agent would make of packed answers, by output.

    Where rows are left out a machine has just been connected.
    """
    said = {}
    for output in manifest.outputs:
        read = scorer(output, manifest.model)
        pairs = [read(a, x)[:2] for a, x in zip(answers, seen.packed, strict=True)]
        said[output.name] = np.array(pairs, np.float64).reshape(-1, 2).T
    # The agent gives no result at all if one output has none.
    lost = ~np.isfinite([values for _, values in said.values()]).all(axis=0)
    columns = [i.name for i in manifest.inputs]
    found = {}
    for output in manifest.outputs:
        scores, values = said[output.name]
        values[lost] = np.nan
        if output.kind == "forecast":
            came = seen.latest[:, columns.index(output.of)]
            for part in seen.stretches():
                scores[part] = residuals(output.horizon, came[part], values[part])
        scores[lost] = np.nan
        found[output.name] = Course(scores, values, _alarms(output, manifest.period, seen, scores))
    return found


def _alarms(output: Output, period: float, seen: Windows, scores: Floats) -> Mask:
    active = np.zeros(len(scores), np.bool_)
    if output.limits is None:
        return active
    for part in seen.stretches():
        condition = Condition(output.limits)
        for i in range(part.start, part.stop):
            if np.isnan(scores[i]):
                condition.miss()
            else:
                condition.step(float(scores[i]), round(int(seen.ends[i]) * period * _NS))
            active[i] = condition.active
    return active


def compare(
    manifest: Manifest, seen: Windows, original: Mapping[str, Course], candidate: Mapping[str, Course]
) -> list[Decisions]:
    """Compare two courses over the same windows, for each output that decides something."""
    found = []
    for output in manifest.outputs:
        before, after = original[output.name], candidate[output.name]
        flipped = flips(output, before, after)
        if flipped is None:
            continue
        raised = episodes(seen, before.alarm)
        found.append(
            Decisions(
                output=output.name,
                limit=limit(output),
                flips=float(flipped.mean()),
                flipped=seen.ends[flipped].tolist(),
                alarms=len(raised),
                missed=sum(not after.alarm[span].any() for span in raised),
                false=sum(not before.alarm[span].any() for span in episodes(seen, after.alarm)),
            )
        )
    return found


def flips(output: Output, original: Course, candidate: Course) -> Mask | None:
    """Return which windows are decided otherwise, bool[k]; None if the output decides nothing."""
    on = limit(output)
    if on is not None:
        beyond = np.less_equal if output.limits and output.limits.when == "below" else np.greater_equal
        flipped: Mask = beyond(original.scores, on) != beyond(candidate.scores, on)
        return flipped
    if output.kind == "class":
        changed: Mask = original.values != candidate.values
        return changed
    return None


def episodes(seen: Windows, alarm: Mask) -> list[slice]:
    """Return the stretches in which the alarm is on. A hole in the rows ends one."""
    found = []
    for part in seen.stretches():
        steps = np.diff(alarm[part].astype(np.int8), prepend=0, append=0)
        begins, ends = (part.start + np.flatnonzero(steps == step) for step in (1, -1))
        found += [slice(a, b) for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]
    return found
