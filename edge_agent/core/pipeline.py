"""One machine's thought, in two halves around the model: image -> window, answer -> verdict."""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.core.alarm import Alarm
from edge_agent.core.manifest import Manifest
from edge_agent.core.resultblock import State
from edge_agent.core.steps import Preparation, score
from edge_agent.core.tags import Columns, Floats, Quality, Reason
from edge_agent.core.window import Window

Floats32 = npt.NDArray[np.float32]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one cycle made of one machine.

    `score` is NaN unless `valid`. `culprit` is the input that stands in the way, by the bundle's name.
    """

    state: State
    reason: Reason
    culprit: str = ""
    score: float = math.nan
    alarm: bool = False
    changed: bool = False
    """Whether the alarm changed in this cycle."""

    @property
    def valid(self) -> bool:
        """Whether this is a fresh result of fresh inputs."""
        return self.reason == Reason.NONE


class Pipeline:
    """Everything between the image and the result block of one machine, except the model itself."""

    def __init__(self, manifest: Manifest, healthy: State = State.ADVISORY) -> None:
        self._manifest, self._healthy = manifest, healthy
        self._prepare = Preparation(manifest)
        max_held = math.floor(manifest.max_gap / manifest.period + 1e-9)
        self._window = Window(manifest.window, len(manifest.inputs), max_held)
        self._alarm = Alarm(manifest.limits) if manifest.limits else None
        self._obstacle = (Reason.WARMING_UP, "")

    def take(self, tick: int, image: Columns) -> Floats32 | None:
        """Take the inputs of one tick, in the bundle's order.

        Return the flat model input float32[window * inputs], or None while there is no whole window.
        Only GOOD values that the model's float32 can hold enter a window.
        """
        row = self._prepare(image.value)
        usable = np.isfinite(row) & (image.quality == Quality.GOOD)
        self._window.push(tick, row, usable)
        if self._window.full:
            return self._window.view.reshape(-1)
        blocked = self._window.blocked
        if blocked is None:
            self._obstacle = (Reason.WARMING_UP, "")
        elif usable[blocked]:
            self._obstacle = (Reason.LATE, "")  # ticks were missed, which is no input's fault
        else:
            reason = Reason(int(image.reason[blocked])) or Reason.NOT_FINITE
            self._obstacle = (reason, self._manifest.inputs[blocked].name)
        return None

    def conclude(self, asked: Floats32 | None, answer: Floats32 | Reason | None, now: int) -> Verdict:
        """Judge what the model answered to what `take` returned; `now` is monotonic, in ns.

        `answer` is the flat output, or the reason why there is none.
        """
        if asked is None or answer is None:
            reason, culprit = self._obstacle
            state = State.STARTING if reason is Reason.WARMING_UP else State.FALLBACK
            return self._no_result(state, reason, culprit)
        if isinstance(answer, Reason):
            return self._no_result(State.FAULT, answer)
        value = score(self._manifest.output, answer, asked)
        if not math.isfinite(value):
            return self._no_result(State.FAULT, Reason.MODEL_NOT_FINITE)
        changed = self._alarm.step(value, now) if self._alarm else False
        return Verdict(
            state=self._healthy, reason=Reason.NONE, score=value, alarm=self._active, changed=changed
        )

    @property
    def _active(self) -> bool:
        return self._alarm is not None and self._alarm.active

    def _no_result(self, state: State, reason: Reason, culprit: str = "") -> Verdict:
        if self._alarm:
            self._alarm.miss()
        return Verdict(state=state, reason=reason, culprit=culprit, alarm=self._active)


def windows(manifest: Manifest, table: Floats) -> Floats32:
    """Return every window of float64[n, inputs], as the agent would have built it: float32[k, size].

    Row i of the result ends with row ``i + window - 1`` of the table. Raises ValueError if `table` is
    not finite.
    """
    if not np.isfinite(table).all():
        raise ValueError("the table holds NaN or infinity")
    rows = Preparation(manifest)(table)
    view = np.lib.stride_tricks.sliding_window_view(rows, manifest.window, axis=0)
    return np.ascontiguousarray(np.moveaxis(view, -1, 1)).reshape(len(view), -1)
