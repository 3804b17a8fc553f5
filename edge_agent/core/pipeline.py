"""One machine's thought, in two halves around the model: image -> packed input, answer -> verdict."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.core.alarm import SIMPLE, Handling, Order
from edge_agent.core.envelope import Guard
from edge_agent.core.manifest import Manifest
from edge_agent.core.outputs import Reader, Reading
from edge_agent.core.packing import Packing
from edge_agent.core.preparation import Preparation
from edge_agent.core.reasons import Cause, Reasons
from edge_agent.core.remark import Remark
from edge_agent.core.resultblock import AlarmBits, State
from edge_agent.core.states import Situation, state_of
from edge_agent.core.stream import Stream
from edge_agent.core.tags import Columns, Floats, Quality, Reason
from edge_agent.core.window import Window

Floats32 = npt.NDArray[np.float32]
Moment = tuple[int, Order | None]
"""Monotonic ns, and what is asked of the alarms then."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one cycle made of one machine.

    `score` is that of the first output, NaN unless `valid`. `culprit` is the input that stands in the way,
    by the bundle's name. `readings` has one for each output, in the bundle's order.
    """

    state: State
    reason: Reason
    culprit: str = ""
    score: float = math.nan
    alarm: bool = False
    """Whether the alarm of any output is active."""
    changed: bool = False
    """Whether the state of any alarm changed in this cycle."""
    bits: AlarmBits = AlarmBits(0)
    readings: tuple[Reading, ...] = ()
    causes: tuple[Cause, ...] = ()
    """The inputs that made the score of an alarm, from when it came until it is gone."""
    outside: Remark | None = None
    """What of the window is outside of what the model was trained on: the result is UNCERTAIN."""

    @property
    def valid(self) -> bool:
        """Whether this is a fresh result of fresh inputs."""
        return self.reason == Reason.NONE

    @property
    def trust(self) -> Quality:
        """The most that the quality of this result can be."""
        return Quality.UNCERTAIN if self.outside else Quality.GOOD


class Pipeline:
    """Everything between the image and the result block of one machine, except the model itself."""

    def __init__(
        self,
        manifest: Manifest,
        handling: Handling = SIMPLE,
        mode: str = "advisory",
        constants: Sequence[float] = (),
    ) -> None:
        """Plan. `constants` are the machine's, in the bundle's order."""
        self._manifest, self._mode, self._handling = manifest, mode, handling
        self._pack = Packing.of(manifest)
        self._readers = [Reader(output, manifest, handling) for output in manifest.outputs]
        self._guard = Guard(manifest, manifest.envelope) if manifest.envelope else None
        self.reasons = _reasons(manifest)
        self._begin(manifest, constants)

    def _begin(self, manifest: Manifest, constants: Sequence[float]) -> None:
        self._constants = constants
        self._window = Window(manifest, np.array(constants, np.float64))
        self._stream = Stream(manifest.model.state) if manifest.model.state else None
        self._tick = 0
        self._obstacle = (Reason.WARMING_UP, "")

    def exchange(self, manifest: Manifest, constants: Sequence[float] = ()) -> None:
        """Go on by another bundle. A window that it fills alike is kept, and alarms of equal limits."""
        readers = {o.name: reader for o, reader in zip(self._manifest.outputs, self._readers, strict=True)}
        before = _filled(self._manifest, self._constants)
        alike = _filled(manifest, constants) == before and not self._stream
        self._manifest, self._pack = manifest, Packing.of(manifest)
        self._readers = [
            readers.get(output.name) or Reader(output, manifest, self._handling)
            for output in manifest.outputs
        ]
        for output, reader in zip(manifest.outputs, self._readers, strict=True):
            reader.exchange(output, manifest)
        # Rows that the window keeps were looked at by the envelope before.
        self._guard = Guard(manifest, manifest.envelope) if manifest.envelope else None
        self.reasons = _reasons(manifest)
        if not alike:
            self._begin(manifest, constants)

    def take(self, tick: int, image: Columns, now: int = 0, wall: float = math.nan) -> Floats32 | None:
        """Take the inputs of one tick, in the bundle's order.

        `now` is monotonic, in ns, `wall` in seconds since 1970; NaN says that nobody knows the wall time.
        Return the packed model input, float32[input_size], or None while there is no whole window. A model
        with a state gets every row, and the state before it; its answers count once a window is full.
        Only GOOD values enter a window.
        """
        if self._stream and tick != self._tick + 1:
            self._restart()  # a row that the state has not seen
        obstacle = self._window.push(tick, image, now, wall)
        self._tick = tick
        if self._guard:
            self._guard.see(tick, image)
        if self.reasons:
            self.reasons.push(tick, self._window.row)
        if obstacle is not None:
            self._obstacle = obstacle
        if self._window.restarted:
            self._restart()
        elif self._stream and self._window.count:
            return self._stream.ask(self._window.view[-1])
        return self._pack(self._window.view.reshape(-1)) if obstacle is None else None

    def pause(self, reason: Reason, culprit: str = "") -> None:
        """Take nothing at this tick, for this reason: the window begins anew with the next row."""
        self._window.restart()
        self._restart()
        self._obstacle = (reason, culprit)

    def conclude(
        self,
        asked: Floats32 | None,
        answer: Floats32 | Reason | None,
        now: int,
        order: Order | None = None,
    ) -> Verdict:
        """Judge what the model answered to what `take` returned last; `now` is monotonic, in ns.

        `answer` is the packed answer, or the reason why there is none. An output whose answer is not finite
        leaves no result of any. `order` is what somebody asks of the alarms.
        """
        moment = (now, order)
        if asked is None or answer is None:
            return self._no_result(moment, *self._obstacle)
        if isinstance(answer, Reason):
            return self._fault(moment, answer)
        if self._stream:
            answer = self._stream.keep(answer)
            if not self._stream.finite:
                return self._fault(moment, Reason.MODEL_NOT_FINITE)
            if not self._window.full:
                return self._no_result(moment, Reason.WARMING_UP)
        said = [reader.score(answer, asked) for reader in self._readers]
        if not all(math.isfinite(s.value) for s in said):
            return self._fault(moment, Reason.MODEL_NOT_FINITE)
        readings = tuple(
            reader.judge(s, self._tick, self._window.row, now, order)
            for reader, s in zip(self._readers, said, strict=True)
        )
        score = readings[0].score
        # A forecast says nothing before its time has come.
        reason = Reason.WARMING_UP if math.isnan(score) else Reason.NONE
        outside = self._guard.outside if self._guard else None
        return self._verdict(readings, reason, score=score, outside=outside, asked=asked)

    def _restart(self) -> None:
        if self._guard:
            self._guard.restart()
        if self.reasons:
            self.reasons.restart()
        for reader in self._readers:
            reader.restart()
        if self._stream:
            self._stream.restart()
            self._window.restart()

    def _fault(self, moment: Moment, reason: Reason) -> Verdict:
        if self._stream:
            self._restart()  # the state has not seen this row
        return self._no_result(moment, reason)

    def _no_result(self, moment: Moment, reason: Reason, culprit: str = "") -> Verdict:
        return self._verdict(tuple(reader.miss(*moment) for reader in self._readers), reason, culprit)

    def _verdict(
        self,
        readings: tuple[Reading, ...],
        reason: Reason,
        culprit: str = "",
        score: float = math.nan,
        *,
        outside: Remark | None = None,
        asked: Floats32 | None = None,
    ) -> Verdict:
        return Verdict(
            state=state_of(Situation(mode=self._mode, reason=reason)),
            reason=reason,
            culprit=culprit,
            score=score,
            alarm=any(r.alarm for r in readings),
            changed=any(r.changed for r in readings),
            bits=_all_bits(readings),
            readings=readings,
            outside=outside,
            causes=self.reasons.see(readings, asked) if self.reasons else (),
        )


def _filled(m: Manifest, constants: Sequence[float]) -> object:
    """Return what decides which numbers stand in a window."""
    inputs = [(i.name, i.unit, i.fill, i.max_age) for i in m.inputs]
    beside = [(c.name, value) for c, value in zip(m.constants, constants, strict=True)]
    return inputs, beside, m.period, m.window, m.max_gap, m.min_good, m.steps, m.model.state


def _reasons(manifest: Manifest) -> Reasons | None:
    """Return what finds the reasons of alarms, None where there is no alarm to come."""
    return Reasons(manifest) if any(output.limits for output in manifest.outputs) else None


def _all_bits(readings: tuple[Reading, ...]) -> AlarmBits:
    bits = AlarmBits(0)
    for reading in readings:
        bits |= reading.bits
    return bits


def windows(manifest: Manifest, table: Floats) -> Floats32:
    """Return every window of float64[n, columns], packed as the agent would have: float32[k, input_size].

    Row i of the result ends with row ``i + span - 1`` of the table, see `Preparation`. Raises ValueError if
    `table` is not finite.
    """
    if not np.isfinite(table).all():
        raise ValueError("the table holds NaN or infinity")
    rows = Preparation(manifest)(table)
    view = np.lib.stride_tricks.sliding_window_view(rows, manifest.window, axis=0)
    return Packing.of(manifest)(np.ascontiguousarray(np.moveaxis(view, -1, 1)).reshape(len(view), -1))
