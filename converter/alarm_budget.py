"""How many false alarms a person will put up with, and the limit and delay that keep to it.

Peaks over a threshold: far out, what a peak exceeds a threshold by has a generalised Pareto distribution
(Coles, An Introduction to Statistical Modeling of Extreme Values, 2001, chapter 4). Its parameters are those
of probability-weighted moments (Hosking and Wallis, Technometrics 29, 1987), which few peaks suffice for.

An alarm with a delay is raised when the smallest score of that long is beyond the limit, so a delay is
judged by the peaks of that trailing minimum.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.core.condition import Condition
from edge_agent.core.manifest import Limits

Floats = npt.NDArray[np.float64]
LONGEST = 64
"""Periods that an alarm is delayed at most."""
WORTH = 0.1
"""Share of the limit's distance from the median by which a doubled delay has to lower it."""
COMMON = 0.99
"""Share of the healthy scores that stay within the limit whatever the delay: it has to mean something."""
HYSTERESIS = 0.1
"""The same share, of what the score has to fall before the alarm goes."""
PEAKS, FEWEST = 100, 10
"""Highest peaks that are looked at, and fewest that tell anything."""
SURE = 3.0
"""Budgets of time without an alarm that promise one with 95 %: -ln 0.05, the rule of three."""
_NS = 1_000_000_000
_RESAMPLES = 500


class TooShort(ValueError):
    """The history has too few peaks to say anything."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen for a rate of false alarms, in alarms a second, and how sure that is.

    `low` and `high` are the 95 % confidence interval of the limit. `history` is the healthy time, in seconds,
    in which these limits would have raised `raised` alarms. `at_most` is the rate that so many alarms in so
    much time do not refute (95 %).
    """

    output: str
    rate: float
    limits: Limits
    low: float
    high: float
    peaks: int
    history: float
    raised: int
    at_most: float
    trained_on: bool = False
    """Whether the model was trained on rows of this history."""

    @property
    def promised(self) -> bool:
        """Whether the history is long enough to promise the rate with 95 %."""
        return self.at_most <= self.rate

    @property
    def needed(self) -> float:
        """How much healthy history without a false alarm would promise it, in seconds."""
        return SURE / self.rate


class Level(NamedTuple):
    """The limit that is exceeded at the wanted rate, its confidence interval, and the peaks behind it."""

    at: float
    low: float
    high: float
    peaks: int


def choose(
    output: str,
    runs: Sequence[Floats],
    period: float,
    rate: float,
    *,
    below: bool = False,
    on_delay: float | None = None,
    off_delay: float = 0.0,
) -> Budget:
    """Choose limits for healthy scores, float64[k] for each run without a hole, one every `period` seconds.

    `rate` is in alarms a second. Scores are bad above the limit, or `below` it. Without an `on_delay` it is
    doubled as long as that lowers the limit by a tenth of its distance from the median. Raises `TooShort`.
    """
    sign = -1.0 if below else 1.0
    signed = [sign * run[np.isfinite(run)] for run in runs]
    history = period * sum(map(len, signed))
    if not history:
        raise TooShort("there is not one score in the healthy history")
    median, common = np.quantile(np.concatenate(signed), [0.5, COMMON]).tolist()
    steps = 0 if on_delay is None else math.ceil(on_delay / period - 1e-9)
    level = _level(signed, steps, history, rate)
    while on_delay is None and steps < LONGEST:
        longer = max(1, 2 * steps)
        lower = _level(signed, longer, history, rate)
        if lower.at < common or level.at - lower.at < WORTH * (level.at - median):
            break
        steps, level = longer, lower
    off = level.at - HYSTERESIS * max(level.at - median, 0.0)
    limits = Limits(
        on=sign * level.at,
        off=sign * off,
        when="below" if below else "above",
        on_delay=steps * period,
        off_delay=off_delay,
    )
    raised = sum(_raised(limits, sign * run, period) for run in signed)
    low, high = sorted((sign * level.low, sign * level.high))
    return Budget(
        output=output,
        rate=rate,
        limits=limits,
        low=low,
        high=high,
        peaks=level.peaks,
        history=history,
        raised=raised,
        at_most=_upper_rate(raised) / history,
    )


def _level(runs: Sequence[Floats], steps: int, history: float, rate: float) -> Level:
    peaks = np.concatenate([_peaks(_trailing_minimum(run, steps), steps) for run in runs])
    # The rate has to be one of rare events: the threshold lies where peaks come ten times as often, or more.
    kept = np.sort(peaks)[::-1][: max(PEAKS, math.ceil(10 * rate * history)) + 1]
    if len(kept) <= FEWEST:
        raise TooShort(f"the healthy history has {len(kept)} peaks of the score, and {FEWEST + 1} are needed")
    threshold, excess = kept[-1], kept[:-1] - kept[-1]
    dice = np.random.default_rng(1)
    counts = dice.poisson(len(excess), _RESAMPLES)
    again = [_return_level(np.sort(dice.choice(excess, n)), n / history / rate) for n in counts if n > FEWEST]
    at = _return_level(np.sort(excess), len(excess) / history / rate)
    low, high = np.quantile(again, [0.025, 0.975]) if again else (at, at)
    return Level(float(threshold + at), float(threshold + low), float(threshold + high), len(excess))


def _return_level(excess: Floats, times: float) -> float:
    """Return what one in `times` of float64[n] ascending excesses is beyond."""
    n = len(excess)
    mean = float(excess.mean())
    weighted = float(np.sum(excess * (n - np.arange(1, n + 1))) / (n * (n - 1)))
    if mean <= 2 * weighted or not mean:
        return float(excess[-1])  # nothing varies, or the tail has no mean: the largest is all that is known
    shape = 2 - mean / (mean - 2 * weighted)
    scale = 2 * mean * weighted / (mean - 2 * weighted)
    if times <= 1:
        return 0.0
    if abs(shape) < 1e-6:
        return scale * math.log(times)
    return float(scale / shape * (times**shape - 1))


def _trailing_minimum(scores: Floats, steps: int) -> Floats:
    """Return the smallest of each score and the `steps` before it: float64[n - steps]."""
    if not steps:
        return scores
    if len(scores) <= steps:
        return scores[:0]
    return np.asarray(np.lib.stride_tricks.sliding_window_view(scores, steps + 1).min(axis=1))


def _peaks(scores: Floats, steps: int) -> Floats:
    """Return the largest of each stretch above the median: what is above together is one alarm, not many."""
    if not len(scores):
        return scores
    above = scores > np.median(scores)
    # A dip that is shorter than the delay would not have ended the stretch.
    starts = np.flatnonzero(above & ~np.concatenate([[False], above[:-1]]))
    if not len(starts):
        return scores[:0]
    apart = np.concatenate([[True], np.diff(starts) > max(1, steps)])
    return np.maximum.reduceat(scores, starts[apart])


def _raised(limits: Limits, scores: Floats, period: float) -> int:
    """Count the alarms that the agent would have raised."""
    condition, raised = Condition(limits), 0
    for tick, score in enumerate(scores.tolist()):
        before = condition.active
        condition.step(score, round(tick * period * _NS))
        raised += condition.active and not before
    return raised


def _upper_rate(count: int) -> float:
    """Return the mean of a Poisson distribution under which so few have a chance of 5 %."""
    low, high = 0.0, 10.0 + 3.0 * count
    for _ in range(60):
        mean = (low + high) / 2
        chance = sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (mean, high) if chance > 0.05 else (low, mean)
    return high
