"""Statistics of the last rows, taken anew for each row: a sum carried along would drift from the batch's."""

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.core.steps.step import LONGEST, Columnwise, Floats, Rows, StepError

_NUMBERS = 1 << 20
"""Copied at once."""


class _Rolling(Columnwise, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of the last `rows` rows, this one among them."""

    rows: int

    def statistic(self, last: Floats) -> Floats:
        """Turn contiguous float64[..., rows] into float64[...]."""
        raise NotImplementedError

    def function(self, width: int, period: float) -> tuple[Rows, int]:
        """Return the statistic of every `rows` rows that follow each other."""
        del width, period
        if not 2 <= self.rows <= LONGEST:
            raise StepError(f"rows {self.rows}: 2 to {LONGEST}")

        def run(rows: Floats) -> Floats:
            view = np.lib.stride_tricks.sliding_window_view(rows, self.rows, axis=-2)
            found = np.empty(view.shape[:-1])
            at_once = max(1, _NUMBERS // max(1, view[..., :1, :, :].size))
            for first in range(0, view.shape[-3], at_once):
                part = np.s_[..., first : first + at_once, :, :]
                # Sums over a contiguous last axis are taken in one order, whatever stands before it.
                found[part[:-1]] = self.statistic(np.ascontiguousarray(view[part]))
            return found

        return run, self.rows - 1


class RollingMean(_Rolling, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="rolling_mean"):
    """The mean."""

    def statistic(self, last: Floats) -> Floats:
        """Return the mean."""
        return _mean(last)


class RollingStd(_Rolling, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="rolling_std"):
    """The standard deviation of the population (divided by n)."""

    def statistic(self, last: Floats) -> Floats:
        """Return the standard deviation."""
        return np.sqrt(_mean(_centred(last) ** 2))


class RollingRms(_Rolling, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="rolling_rms"):
    """The root of the mean square."""

    def statistic(self, last: Floats) -> Floats:
        """Return the root mean square."""
        return np.sqrt(_mean(last**2))


class RollingKurtosis(
    _Rolling, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="rolling_kurtosis"
):
    """The fourth standardised moment, 3 for noise (Pearson's); 0, which no data has, if all are alike."""

    def statistic(self, last: Floats) -> Floats:
        """Return the kurtosis."""
        centred = _centred(last)
        deviation = np.sqrt(_mean(centred**2))
        some = (deviation > 0) & (last.min(axis=-1) < last.max(axis=-1))
        standardised = centred / np.where(some, deviation, 1.0)[..., np.newaxis]
        return np.where(some, _mean((standardised**2) ** 2), 0.0)


class RollingCrest(_Rolling, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="rolling_crest"):
    """The largest magnitude over the root mean square; 0, which no data has, if all are 0."""

    def statistic(self, last: Floats) -> Floats:
        """Return the crest factor."""
        rms = np.sqrt(_mean(last**2))
        some: npt.NDArray[np.bool_] = rms > 0
        return np.where(some, np.abs(last).max(axis=-1) / np.where(some, rms, 1.0), 0.0)


def _mean(last: Floats) -> Floats:
    mean: Floats = np.add.reduce(last, axis=-1) / last.shape[-1]
    return mean


def _centred(last: Floats) -> Floats:
    return last - _mean(last)[..., np.newaxis]
