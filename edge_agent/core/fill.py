"""How a gap of an input is filled once its next value has come. Until then the last one is held."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_agent.core.tags import Floats

Fill = Literal["hold", "linear", "pchip"]
Mask = npt.NDArray[np.bool_]


def between(how: Fill, before: float, left: float, right: float, gap: int) -> Floats:
    """Return float64[gap], the numbers between `left` and `right`, which stand `gap` + 1 rows apart.

    pchip is the piecewise cubic Hermite interpolant of Fritsch and Butland (SIAM Journal on Scientific and
    Statistical Computing 5(2), 1984) through the row `before` the left one, too; it never leaves the range of
    the two ends. Without a row before (NaN) it is the straight line.
    """
    if how == "hold":
        return np.full(gap, left)
    part = np.arange(1, gap + 1) / (gap + 1)
    if how == "linear" or np.isnan(before):
        return left + (right - left) * part
    length = gap + 1.0
    earlier, slope = left - before, (right - left) / length
    at_left, at_right = _inner(earlier, slope, length) * length, _end(earlier, slope, length) * length
    rest = 1 - part
    return (
        left * rest**2 * (1 + 2 * part)
        + right * part**2 * (1 + 2 * rest)
        + at_left * part * rest**2
        - at_right * part**2 * rest
    )


def _inner(earlier: float, slope: float, length: float) -> float:
    """Return the slope at the left end: the weighted harmonic mean, 0 at a turn."""
    if earlier * slope <= 0:
        return 0.0
    long, short = 2 * length + 1, length + 2
    return (long + short) / (long / earlier + short / slope)


def _end(earlier: float, slope: float, length: float) -> float:
    """Return the slope at the right end: the parabola's, kept from overshooting."""
    found = ((2 * length + 1) * slope - length * earlier) / (length + 1)
    if found * slope <= 0:
        return 0.0
    if earlier * slope < 0 and abs(found) > 3 * abs(slope):
        return 3 * slope
    return found


def filled(rows: Floats, measured: Mask, how: Sequence[Fill], max_held: int) -> Floats:
    """Fill a whole record, float64[n, inputs], as it stands once all of it has come: float64[n, inputs].

    Row by row that is what a window has done by the last row. NaN where an input is unknown for more than
    `max_held` rows, where none of its values has come yet, and in rows in which another input is: there the
    window restarts, and needs every input at once to begin anew.
    """
    found, last = np.full(rows.shape, np.nan), np.zeros(rows.shape[1])
    before, held = np.full(rows.shape[1], np.nan), np.zeros(rows.shape[1], np.int64)
    begun = False
    for place, known in enumerate(measured):
        gaps, held = held, np.where(known, 0, held + 1)
        if not known.all() and (not begun or held.max() > max_held):
            begun = False
            continue
        if not begun:
            before[:] = np.nan
        for column in np.flatnonzero(known).tolist():
            gap = int(gaps[column]) if begun else 0
            if gap:
                span = slice(place - gap, place)
                found[span, column] = between(
                    how[column], before[column], last[column], rows[place, column], gap
                )
            if begun:
                before[column] = found[place - 1, column]
            last[column] = rows[place, column]
        found[place] = last
        begun = True
    return found
