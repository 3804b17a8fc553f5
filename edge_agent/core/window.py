"""A machine's window: from what the tags say at a tick to the last rows of what the model sees.

Rows stand on the bundle's own grid, one for each tick. What a device says of its own time is data and never
moves a row.
"""

import math

import numpy as np
import numpy.typing as npt

from edge_agent.core.manifest import Manifest
from edge_agent.core.preparation import Chain, Preparation
from edge_agent.core.refill import Refill
from edge_agent.core.ring import Ring
from edge_agent.core.tags import Columns, Floats, Nanoseconds, Quality, Reason

Floats32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
_GOOD = int(Quality.GOOD)
Obstacle = tuple[Reason, str]
"""Why there is no whole window, and the input that stands in the way."""

WARMING_UP: Obstacle = (Reason.WARMING_UP, "")
LATE: Obstacle = (Reason.LATE, "")
"""Ticks were missed, which is no input's fault."""


class Window:
    """The last `window` rows of features of one machine.

    A gap of an input is held, and where the bundle says so filled anew once the next value has come; beyond
    the bundle's `max_gap` the window restarts, and the steps with it.
    """

    def __init__(self, manifest: Manifest, constants: Floats) -> None:
        """Plan. `constants` float64[c] are the machine's, in the bundle's order.

        Raises ValueError if there are not as many as the bundle names.
        """
        if len(constants) != len(manifest.constants):
            raise ValueError(f"{len(constants)} constants, the bundle names {len(manifest.constants)}")
        inputs = manifest.inputs
        n = len(inputs)
        self._names = [i.name for i in inputs]
        self._prepare = Preparation(manifest)
        self._chain = Chain(self._prepare)
        self._features = Ring(manifest.window, len(self._prepare.features), np.float32)
        self._max_held = math.floor(manifest.max_gap / manifest.period + 1e-9)
        self._period = manifest.period
        self._row = np.zeros(len(manifest.columns))
        self._row[n : n + len(constants)] = constants
        self._clock = len(self._row) > n + len(constants)
        self._last = self._row[:n]  # a view: what the row holds until something better comes
        self._nothing: Mask = np.zeros(n, np.bool_)
        self._no_gap = np.zeros(n, np.int64)
        self._gaps = self._no_gap
        self._begun = False
        self._oldest = _oldest(manifest)
        self._measured = Ring(manifest.window, n, np.bool_) if manifest.min_good else None
        self._fewest = math.ceil(manifest.min_good * manifest.window - 1e-9)
        filled = any(i.fill != "hold" for i in inputs)
        self._refill = Refill(manifest, self._prepare.span) if filled else None
        self._tick: int | None = None
        self._usable = self._nothing
        self.restarted = False
        """Whether the last push made the window restart."""

    @property
    def full(self) -> bool:
        """Whether `view` is a whole window."""
        return self._features.full

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._features.count

    @property
    def view(self) -> Floats32:
        """The latest rows, float32[count, features], oldest first. Valid until the next push."""
        return self._features.view

    @property
    def row(self) -> Floats:
        """The latest row in engineering units, float64[columns]. Valid until the next push."""
        return self._row

    def restart(self) -> None:
        """Begin anew with the next row."""
        self._tick = None
        self._forget()

    def push(self, tick: int, image: Columns, now: int, wall: float) -> Obstacle | None:
        """Put the inputs of one tick; return why there is no whole window, None if there is one.

        `now` is monotonic ns, `wall` seconds since 1970. Ticks that were skipped are rows without a value.
        """
        missed = 0 if self._tick is None else tick - self._tick - 1
        self._tick, self.restarted = tick, False
        usable = (image.quality == _GOOD) & np.isfinite(image.value)
        if self._oldest is not None:
            usable &= now - image.at <= self._oldest
        self._usable = usable
        late = False
        if missed:
            for ago in range(min(missed, self._max_held + 1), 0, -1):
                late |= self._put(image.value, self._nothing, wall - ago * self._period) is not None
        measured = usable if self._refill is None else self._refill.fresh(usable, image.at)
        blocked = self._put(image.value, measured, wall)
        if blocked is not None:
            return self._why(image, blocked)
        if self._features.full:
            return self._few()
        return LATE if late else WARMING_UP

    def _put(self, values: Floats, measured: Mask, wall: float) -> str | None:
        """Put one row. Return the column that makes the window restart, if one does."""
        gaps = self._gaps
        whole = np.count_nonzero(measured) == len(measured)
        if whole:
            self._gaps = self._no_gap
        else:
            self._gaps = np.where(measured, 0, gaps + 1)
            if not self._begun or self._gaps.max() > self._max_held:
                return self._forget(self._names[int(self._gaps.argmax())])
        again = self._refill is not None and self._refill.close(self._last, values, measured, gaps)
        if whole:
            self._last[:] = values
        else:
            np.copyto(self._last, values, where=measured)
        if self._clock:
            self._row[-1] = wall
        self._begun = True
        if self._measured is not None:
            self._measured.append(measured)
        if self._refill is not None:
            self._refill.append(self._row)
            if again:
                return self._replay(self._refill.rows)
        row = self._chain.push(self._row)
        if row is None:
            return None
        if np.count_nonzero(np.isfinite(row)) < len(row):
            return self._forget(self._broken(row))
        self._features.append(row)
        return None

    def _replay(self, rows: Floats) -> str | None:
        """Make the features anew: some of the rows were filled."""
        found = self._chain.replay(rows)
        finite = np.isfinite(found).all(axis=1)
        if not finite.all():
            return self._forget(self._broken(found[int(finite.argmin())]))
        self._features.fill(found)
        return None

    def _broken(self, row: Floats32) -> str:
        """Return the column that a feature without a finite value is made of."""
        return self._prepare.origin(self._prepare.features[int(np.isfinite(row).argmin())])

    def _forget(self, blocked: str = "") -> str:
        self.restarted, self._begun = True, False
        self._chain.restart()
        self._features.restart()
        for rows in (self._measured, self._refill):
            if rows is not None:
                rows.restart()
        return blocked

    def _why(self, image: Columns, blocked: str) -> Obstacle:
        """Say why a column made the window restart."""
        if blocked not in self._names:
            return Reason.NOT_FINITE, blocked
        place = self._names.index(blocked)
        if self._usable[place]:
            # Its value is there: either the steps made nothing finite of it, or it is not a new one.
            return (Reason.STALE if self._gaps[place] else Reason.NOT_FINITE), blocked
        if image.quality[place] == Quality.GOOD and np.isfinite(image.value[place]):
            return Reason.STALE, blocked
        return Reason(int(image.reason[place])) or Reason.NOT_FINITE, blocked

    def _few(self) -> Obstacle | None:
        """Return what stands in the way if too few rows were measured: the input with the fewest."""
        if self._measured is None:
            return None
        measured = self._measured.view
        if int(measured.all(axis=1).sum()) >= self._fewest:
            return None
        return Reason.FILLED, self._names[int(measured.sum(axis=0).argmin())]


def _oldest(manifest: Manifest) -> Nanoseconds | None:
    """Return how old a value of each input may be, in ns; None if any age will do."""
    ages = [i.max_age for i in manifest.inputs]
    if not any(ages):
        return None
    most = np.iinfo(np.int64).max
    return np.array([round(age * 1e9) if age else most for age in ages], np.int64)
