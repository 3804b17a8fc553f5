"""One output of one machine, cycle by cycle: its score, its alarm, the forecasts that wait for their time."""

import math

import msgspec

from edge_agent.core.alarm import Alarm, AlarmState, Handling, Order
from edge_agent.core.forecast import Forecasts
from edge_agent.core.manifest import Manifest, Output
from edge_agent.core.resultblock import AlarmBits
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
    """Whether the alarm is raised and not shelved."""
    changed: bool = False
    """Whether the state of the alarm or of the warning changed in this cycle."""
    alarm_state: AlarmState = AlarmState.NORMAL
    warning_state: AlarmState = AlarmState.NORMAL
    bits: AlarmBits = AlarmBits(0)
    shelved_until: int = 0
    """When what is shelved comes back by itself, in monotonic ns; 0 if nothing is."""


class Reader:
    """Reads one output out of the model's answers."""

    def __init__(self, output: Output, manifest: Manifest, handling: Handling) -> None:
        self._handling = handling
        self._read(output, manifest)
        self._watch(output)

    def exchange(self, output: Output, manifest: Manifest) -> None:
        """Read another bundle's output of the same name. Alarms of the same limits stay as they are."""
        alike = (output.limits, output.warning) == self._limits
        self._read(output, manifest)
        if not alike:
            self._watch(output)

    def _read(self, output: Output, manifest: Manifest) -> None:
        self._name = output.name
        self.score = scorer(output, manifest.model)
        self._forecasts = Forecasts(output.horizon) if output.kind == "forecast" else None
        self._of = [i.name for i in manifest.inputs].index(output.of) if self._forecasts else 0

    def _watch(self, output: Output) -> None:
        self._limits = output.limits, output.warning
        self._alarm = Alarm(output.limits, self._handling) if output.limits else None
        self._warning = Alarm(output.warning, self._handling) if output.warning else None

    def judge(self, said: Said, tick: int, latest: Floats, now: int, order: Order | None = None) -> Reading:
        """Judge what was said at `tick`, when float64[columns] were `latest`; `now` is monotonic, in ns."""
        score = said.score
        if self._forecasts:
            score = self._forecasts.residual(tick, float(latest[self._of]), said.value)
        changed = self._step(score, now, order)
        return self._reading(score=score, value=said.value, confidence=said.confidence, changed=changed)

    def miss(self, now: int, order: Order | None = None) -> Reading:
        """There is nothing to judge in this cycle; the conditions of alarms stay as they are."""
        return self._reading(changed=self._step(math.nan, now, order))

    def restart(self) -> None:
        """The window restarted: a forecast made before is not one for what comes now."""
        if self._forecasts:
            self._forecasts.clear()

    def _step(self, score: float, now: int, order: Order | None) -> bool:
        changed = False
        if order is not None and order.output not in ("", self._name):
            order = None
        for alarm in (self._alarm, self._warning):
            if alarm is not None and math.isnan(score):
                changed |= alarm.miss(now, order)
            elif alarm is not None:
                changed |= alarm.step(score, now, order)
        return changed

    def _reading(self, *, changed: bool, **numbers: float) -> Reading:
        alarm, warning = self._alarm, self._warning
        return Reading(
            output=self._name,
            alarm=alarm is not None and alarm.active,
            changed=changed,
            alarm_state=alarm.state if alarm else AlarmState.NORMAL,
            warning_state=warning.state if warning else AlarmState.NORMAL,
            bits=_bits(alarm, _ALARM) | _bits(warning, _WARNING),
            shelved_until=max((a.shelved_until for a in (alarm, warning) if a is not None), default=0),
            **numbers,
        )


_ALARM = (AlarmBits.ALARM, AlarmBits.ALARM_UNACKNOWLEDGED, AlarmBits.ALARM_SHELVED)
_WARNING = (AlarmBits.WARNING, AlarmBits.WARNING_UNACKNOWLEDGED, AlarmBits.WARNING_SHELVED)
_WAITING = (AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED, AlarmState.LATCHED_UNACKNOWLEDGED)
_NOTHING = AlarmBits(0)


def _bits(alarm: Alarm | None, names: tuple[AlarmBits, AlarmBits, AlarmBits]) -> AlarmBits:
    if alarm is None:
        return _NOTHING
    raised, waiting, shelved = names
    state = alarm.state
    if state is AlarmState.SHELVED:
        return shelved
    return (raised if alarm.active else _NOTHING) | (waiting if state in _WAITING else _NOTHING)
