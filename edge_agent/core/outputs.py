"""One output of one machine, cycle by cycle: its score, its alarm, the forecasts that wait for their time."""

import math

import msgspec

from edge_agent.core.alarm import Alarm
from edge_agent.core.forecast import Forecasts
from edge_agent.core.manifest import Manifest, Output
from edge_agent.core.scoring import Said, scorer
from edge_agent.core.tags import Floats


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one output says in one cycle. A number is NaN where there is none.

    `value` is the index of the class, or what is forecast, and else the score; `confidence` is the
    probability of the class.
    """

    output: str
    score: float = math.nan
    value: float = math.nan
    confidence: float = math.nan
    alarm: bool = False
    changed: bool = False


class Reader:
    """Reads one output out of the model's answers."""

    def __init__(self, output: Output, manifest: Manifest) -> None:
        self._name = output.name
        self.score = scorer(output, manifest.model)
        self._alarm = Alarm(output.limits) if output.limits else None
        self._forecasts = Forecasts(output.horizon) if output.kind == "forecast" else None
        self._of = [i.name for i in manifest.inputs].index(output.of) if self._forecasts else 0

    def judge(self, said: Said, tick: int, latest: Floats, now: int) -> Reading:
        """Judge what was said at `tick`, when float64[inputs] were `latest`; `now` is monotonic, in ns."""
        score = said.score
        if self._forecasts:
            score = self._forecasts.residual(tick, float(latest[self._of]), said.value)
        changed = False
        if self._alarm:
            if math.isnan(score):
                self._alarm.miss()
            else:
                changed = self._alarm.step(score, now)
        return Reading(
            output=self._name,
            score=score,
            value=said.value,
            confidence=said.confidence,
            alarm=self._active,
            changed=changed,
        )

    def miss(self) -> Reading:
        """There is nothing to judge in this cycle; an alarm stays as it is."""
        if self._alarm:
            self._alarm.miss()
        return Reading(output=self._name, alarm=self._active)

    def restart(self) -> None:
        """The window restarted: a forecast made before is not one for what comes now."""
        if self._forecasts:
            self._forecasts.clear()

    @property
    def _active(self) -> bool:
        return self._alarm is not None and self._alarm.active
