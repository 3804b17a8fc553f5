"""Which value a declared output gets now, if any: clamped, stepped, held back. Pure; the shell writes it.

An output follows a wish only from where the PLC has it: it is armed with the value that was read back, so
that taking over is without a bump.
"""

import math
from collections import deque
from enum import Enum

import msgspec

_NS = 1_000_000_000
_HOUR = 3600 * _NS


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one output, in engineering units and seconds.

    `step` is the largest change in one write, `interval` the shortest time between two, `per_hour` the most
    writes in any hour, `deadband` the smallest change worth writing. `fallback` is written when there is no
    result to follow, at once and past step, interval and deadband; None leaves the PLC's value as it is.
    """

    low: float
    high: float
    step: float = math.inf
    deadband: float = 0.0
    interval: float = 0.0
    per_hour: int = 3600
    fallback: float | None = None


class Held(Enum):
    """Why nothing is written now."""

    NOT_ARMED = "the value in the PLC is not known yet"
    NOT_FINITE = "the wish is not a finite number"
    DEADBAND = "the change is within the deadband"
    INTERVAL = "the interval since the last write is not over"
    BUDGET = "the writes of this hour are used up"


class Output:
    """One output between writes. `value` is what the PLC holds as far as is known, else NaN."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.value = math.nan
        self._written_at: deque[int] = deque(maxlen=max(1, rule.per_hour))

    @property
    def armed(self) -> bool:
        """Whether the value in the PLC is known."""
        return math.isfinite(self.value)

    def arm(self, value: float) -> None:
        """Start from the PLC's own value."""
        self.value = value

    def disarm(self) -> None:
        """The value in the PLC is not known any more: a write had an unknown effect, or others write now."""
        self.value = math.nan

    def follow(self, wish: float, now: int) -> float | Held:
        """Return the value to write for a wish at `now` (monotonic ns), or why none."""
        rule = self.rule
        if not math.isfinite(wish):
            return Held.NOT_FINITE
        if not self.armed:
            return Held.NOT_ARMED
        wanted = min(max(wish, rule.low), rule.high)
        wanted = min(max(wanted, self.value - rule.step), self.value + rule.step)
        # A value that somebody else left outside is brought inside, whatever the step.
        wanted = min(max(wanted, rule.low), rule.high)
        if wanted == self.value or abs(wanted - self.value) < rule.deadband:
            return Held.DEADBAND
        if self._written_at and now - self._written_at[-1] < rule.interval * _NS:
            return Held.INTERVAL
        return self._within_budget(wanted, now)

    def fall_back(self, now: int) -> float | Held:
        """Return the fallback value if it has to be written."""
        fallback = self.rule.fallback
        if fallback is None or fallback == self.value:
            return Held.DEADBAND
        return self._within_budget(fallback, now)

    def written(self, value: float, now: int) -> None:
        """A write of this value was sent at `now`; `value` is NaN if its effect is unknown."""
        self.value = value
        self._written_at.append(now)

    def _within_budget(self, value: float, now: int) -> float | Held:
        spent = len(self._written_at) == self._written_at.maxlen and now - self._written_at[0] < _HOUR
        return Held.BUDGET if spent else value
