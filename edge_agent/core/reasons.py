"""Which inputs made the score of an alarm, and by how much they are off, in engineering units.

By occlusion (Zeiler and Fergus, ECCV 2014, section 4.2; here one input at a time): the model is asked the
window that made the alarm, with one input as the others make likely for a healthy machine. By how much the
score falls is that input's part in it.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_agent.core.envelope import Likeness
from edge_agent.core.manifest import Manifest, Output
from edge_agent.core.outputs import Reading
from edge_agent.core.packing import Packing
from edge_agent.core.preparation import Preparation
from edge_agent.core.remark import Kind, Remark
from edge_agent.core.scoring import scorer
from edge_agent.core.tags import Floats

Floats32 = npt.NDArray[np.float32]
MOST, TOP = 16, 3
"""Inputs that the model is asked about, those that are furthest off; and those that are told."""
SHARE = 0.1
"""What has less than this share of the first cause's part is none."""


class Cause(Remark, frozen=True, kw_only=True):
    """An input that made the score. Its number is counted from 1."""

    number: int


class Trail:
    """The last rows that a window is made of, float64[span, columns] in engineering units."""

    def __init__(self, span: int, columns: int) -> None:
        self._ring = np.zeros((span, columns))
        self._tick: int | None = None
        self._count = 0

    def push(self, tick: int, row: Floats) -> None:
        """Take the row of a tick. Ticks that were missed hold the row before."""
        length = len(self._ring)
        if self._tick is not None:
            for missed in range(max(self._tick + 1, tick - length + 1), tick):
                self._ring[missed % length] = self._ring[self._tick % length]
        self._ring[tick % length] = row
        self._count += 1 if self._tick is None else tick - self._tick
        self._tick = tick

    def restart(self) -> None:
        """The window begins anew."""
        self._tick, self._count = None, 0

    def rows(self) -> Floats | None:
        """Return the rows, the oldest first; None while there are not as many as a window has."""
        if self._tick is None or self._count < len(self._ring):
            return None
        return np.roll(self._ring, -1 - self._tick % len(self._ring), axis=0)


class Question:
    """An alarm that has just come. Ask the model `occluded` of the `candidates`, and `hear` each answer."""

    def __init__(
        self, manifest: Manifest, output: Output, rows: Floats, asked: Floats32, score: float
    ) -> None:
        self.output, self._alarming = output.name, score
        self._manifest, self._rows, self._asked = manifest, rows, asked
        self._prepare, self._pack = Preparation(manifest), Packing.of(manifest)
        self._state = manifest.model.state
        assert output.limits is not None
        self._sign = -1.0 if output.limits.when == "below" else 1.0
        self._score = scorer(output, manifest.model)
        self._likeness = Likeness(manifest)
        self._off = self._likeness.unexplained(rows[:, : len(manifest.inputs)])
        # The last quarter is what is there now; an alarm comes before the whole window shows it.
        self._now = self._off[-max(1, manifest.window // 4) :].mean(axis=0)
        std = np.array([i.std for i in manifest.inputs], np.float64)
        unlikely = np.abs(np.divide(self._now, std, out=np.zeros_like(std), where=std > 0))
        self.candidates: list[int] = np.argsort(-unlikely, kind="stable")[:MOST].tolist()
        self._parts: dict[int, float] = {}

    def occluded(self, place: int) -> Floats32:
        """Return the packed model input with one input as the others of its row make likely.

        Of a model with a state it is the latest row alone: what the state has kept stays.
        """
        rows = self._rows.copy()
        rows[:, place] -= self._off[:, place]
        prepared = self._prepare(rows)
        if self._state:
            return np.concatenate((prepared[-1], self._asked[-self._state :]))
        return self._pack(prepared.reshape(-1))

    def hear(self, place: int, asked: Floats32, answer: Floats32) -> None:
        """Take the packed answer to what was asked of an input."""
        if self._state:
            answer = answer[: -self._state]
        part = self._sign * (self._alarming - self._score(answer, asked).score)
        if math.isfinite(part) and part > 0:
            self._parts[place] = part

    def causes(self) -> tuple[Cause, ...]:
        """Return up to three causes, the largest first."""
        ranked = sorted(self._parts, key=lambda place: -self._parts[place])[:TOP]
        least = SHARE * self._parts[ranked[0]] if ranked else 0.0
        return tuple(self._cause(place) for place in ranked if self._parts[place] >= least)

    def _cause(self, place: int) -> Cause:
        column, off = self._manifest.inputs[place], float(self._now[place])
        kind: Kind
        if self._likeness.joint:
            kind = "above_others" if off > 0 else "below_others"
        else:
            kind = "above_mean" if off > 0 else "below_mean"
        return Cause(kind=kind, number=place + 1, input=column.name, value=off, unit=column.unit)


class Reasons:
    """The causes of the alarms of one machine, from when each comes until it is gone."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._trail = Trail(Preparation(manifest).span, len(manifest.columns))
        self._causes: dict[str, tuple[Cause, ...]] = {}
        self._raised: set[str] = set()
        self.question: Question | None = None
        """What there is to ask the model, until it is answered or its alarm is gone."""

    def push(self, tick: int, row: Floats) -> None:
        """Take the row of a tick, float64[columns] as the window took it."""
        self._trail.push(tick, row)

    def restart(self) -> None:
        """The window begins anew."""
        self._trail.restart()

    def see(self, readings: Sequence[Reading], asked: Floats32 | None) -> tuple[Cause, ...]:
        """Return the causes of the first alarm that has some; note one that has come with a valid score."""
        raised = {r.output for r in readings if r.alarm}
        if self.question is not None and self.question.output not in raised:
            self.question = None
        self._causes = {name: causes for name, causes in self._causes.items() if name in raised}
        for reading, output in zip(readings, self._manifest.outputs, strict=True):
            if (
                reading.output in raised - self._raised
                and not math.isnan(reading.score)
                and asked is not None
            ):
                self._come(output, reading, asked)
        self._raised = raised
        return self._first()

    def answered(self, causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
        """Keep the causes that were found for the question; return those to tell."""
        assert self.question is not None
        self._causes[self.question.output] = causes
        self.question = None
        return self._first()

    def _first(self) -> tuple[Cause, ...]:
        return next((causes for causes in self._causes.values() if causes), ())

    def _come(self, output: Output, reading: Reading, asked: Floats32) -> None:
        if output.kind != "forecast":
            rows = self._trail.rows()
            if rows is not None and self.question is None:
                self.question = Question(self._manifest, output, rows, asked, reading.score)
            return
        names = [i.name for i in self._manifest.inputs]
        cause = Cause(
            kind="off_forecast",
            number=names.index(output.of) + 1,
            input=output.of,
            value=reading.score,
            unit=output.unit,
        )
        self._causes[output.name] = (cause,)
