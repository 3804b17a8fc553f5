"""Whether a row is one such as the model was trained on: its values, their pace, and how they go together.

The joint distance is that of Mahalanobis (Proc. Nat. Inst. Sci. India 2, 1936) in standardised units; the
converter says how it shrinks the covariance. It is about the inputs before the steps, because what people are
told is a tag.
"""

import math

import numpy as np
import numpy.typing as npt

from edge_agent.core.manifest import Envelope, Manifest
from edge_agent.core.preparation import Preparation
from edge_agent.core.remark import Kind, Remark
from edge_agent.core.tags import Columns, Floats, Quality

_UNBOUNDED = 1e200
"""Per second: no float64 that a device sends changes by more."""

Integers = npt.NDArray[np.int64]


class Likeness:
    """How the inputs of a bundle went together in the training rows; without an envelope independently.

    Columns that were constant take no part.
    """

    def __init__(self, manifest: Manifest) -> None:
        std = np.array([i.std for i in manifest.inputs], np.float64)
        self._mean, self._std = np.array([i.mean for i in manifest.inputs]), std
        self._per_std = np.divide(1.0, std, out=np.zeros_like(std), where=std > 0)
        factor = manifest.envelope.factor if manifest.envelope else []
        self._factor = _square(factor) if factor else np.eye(len(std))
        self.joint = bool(factor)
        precision = self._factor.T @ self._factor
        self._precision, self._weight = precision, np.diag(precision).copy()

    def distance(self, row: Floats) -> float:
        """Return how far float64[inputs] is from the mean of the training rows, in standard deviations."""
        whitened = self._factor @ ((row - self._mean) * self._per_std)
        return math.sqrt(whitened @ whitened)

    def unexplained(self, rows: Floats) -> Floats:
        """Return by how much each of float64[..., inputs] is off what the others of its row make likely.

        It is in engineering units: the value minus its conditional mean, which for a precision matrix P is
        ``(P z)_i / P_ii`` standard deviations (Rasmussen and Williams, Gaussian Processes, A.2).
        """
        z = (rows - self._mean) * self._per_std
        off: Floats = z @ self._precision / self._weight * self._std
        return off

    def shares(self, row: Floats) -> Floats:
        """Return by how much the squared distance falls if each input were as the others make likely."""
        off = self.unexplained(row) * self._per_std
        found: Floats = off * off * self._weight
        return found


def _square(factor: list[list[float]]) -> Floats:
    square = np.zeros((len(factor), len(factor)))
    for i, row in enumerate(factor):
        square[i, : i + 1] = row
    return square


class Guard:
    """Looks at every row that a window takes. One that is outside counts for as long as a window holds it."""

    def __init__(self, manifest: Manifest, envelope: Envelope) -> None:
        self._inputs, self._span = manifest.inputs, Preparation(manifest).span
        self._low, self._high = np.array(envelope.low, np.float64), np.array(envelope.high, np.float64)
        rate = np.array([_UNBOUNDED if rate is None else rate for rate in envelope.rate])
        self._rate, self._per_tick = rate, rate * manifest.period
        self._period, self._distance = manifest.period, envelope.distance
        self._likeness = Likeness(manifest)
        # Value and change side by side, so that both are compared at once. What lies within these halves is
        # inside by the exact bounds, too.
        width = np.concatenate((self._high - self._low, 2 * self._per_tick))
        self._middle = np.concatenate(((self._low + self._high) / 2, np.zeros(len(rate))))
        self._half = (1 - 1e-12) * width / 2
        self._both = np.empty(2 * len(rate))
        self.restart()

    def restart(self) -> None:
        """The window begins anew with the next row."""
        self._row = np.full(len(self._rate), np.nan)
        self._seen = np.zeros(len(self._rate), np.int64)
        self._whole = False
        self._tick = self._until = 0
        self._found: Remark | None = None

    @property
    def outside(self) -> Remark | None:
        """What the window holds that is outside, None if nothing; the latest of several."""
        return self._found if self._tick < self._until else None

    def see(self, tick: int, image: Columns) -> None:
        """Look at the inputs of one tick. What is not GOOD is held at its last value, and not looked at."""
        good = image.quality == Quality.GOOD
        whole = bool(good.all())
        with np.errstate(over="ignore", invalid="ignore"):
            next_one = whole and self._whole and tick == self._tick + 1
            if not (next_one and self._inside(image.value)):
                self._look(tick, image.value, good)
        self._row = np.where(good, image.value, self._row) if not whole else image.value
        self._tick, self._whole = tick, whole

    def _inside(self, value: Floats) -> bool:
        """Say whether all is well, in few steps: nearly every row is a whole one, and inside."""
        both, n = self._both, len(value)
        both[:n] = value
        np.subtract(value, self._row, out=both[n:])
        np.abs(np.subtract(both, self._middle, out=both), out=both)
        return bool((both <= self._half).all()) and self._likeness.distance(value) <= self._distance

    def _look(self, tick: int, value: Floats, good: npt.NDArray[np.bool_]) -> None:
        if self._whole:
            self._seen[:] = self._tick
        found = self._judge(np.where(good, value, self._row), tick - self._seen)
        self._seen[good] = tick
        if found is not None:
            self._found, self._until = found, tick + self._span

    def _judge(self, value: Floats, gaps: Integers) -> Remark | None:
        # A comparison with NaN is False: an input that was never there is not outside.
        off = np.maximum(self._low - value, value - self._high)
        if (off > 0).any():
            return self._out_of_range(value, off)
        change = value - self._row
        if (np.abs(change) > self._per_tick * gaps).any():
            return self._too_quick(change, gaps)
        if self._likeness.distance(value) > self._distance:
            return self._odd(value)
        return None

    def _out_of_range(self, value: Floats, off: Floats) -> Remark:
        width = np.maximum(self._high - self._low, np.finfo(float).tiny)
        place = int(np.nanargmax(off / width))
        above = value[place] > self._high[place]
        bound = self._high[place] if above else self._low[place]
        return self._remark("above_training" if above else "below_training", place, value[place], bound)

    def _too_quick(self, change: Floats, gaps: Integers) -> Remark:
        pace = change / (gaps * self._period)
        place = int(np.nanargmax(np.abs(pace) / self._rate))
        return self._remark("too_quick", place, pace[place], self._rate[place])

    def _odd(self, value: Floats) -> Remark:
        place = int(self._likeness.shares(value).argmax())
        off = float(self._likeness.unexplained(value)[place])
        return self._remark("unlikely", place, value[place], value[place] - off)

    def _remark(self, kind: Kind, place: int, value: float, bound: float) -> Remark:
        column = self._inputs[place]
        return Remark(kind=kind, input=column.name, value=float(value), bound=float(bound), unit=column.unit)
