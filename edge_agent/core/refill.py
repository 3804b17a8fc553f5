"""The raw rows of a window whose gaps are filled anew, once the value behind the gap has come."""

import numpy as np
import numpy.typing as npt

from edge_agent.core.fill import between
from edge_agent.core.manifest import Manifest
from edge_agent.core.ring import Ring
from edge_agent.core.tags import Floats, Nanoseconds

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

_LONG_AGO = np.iinfo(np.int64).min


class Refill:
    """The last `span` rows in engineering units: as many as a window of features is made of."""

    def __init__(self, manifest: Manifest, span: int) -> None:
        n = len(manifest.inputs)
        self._how = [i.fill for i in manifest.inputs]
        self._filled: Mask = np.array([how != "hold" for how in self._how])
        self._raw = Ring(span, len(manifest.columns))
        self._before = np.full(n, np.nan)
        self._at = np.full(n, _LONG_AGO)

    @property
    def rows(self) -> Floats:
        """The rows, float64[count, columns], oldest first. Valid until the next change."""
        return self._raw.view

    def restart(self) -> None:
        """Begin anew with the next row."""
        self._raw.restart()

    def fresh(self, usable: Mask, at: Nanoseconds) -> Mask:
        """Return which inputs were measured for this row. One that is filled must have been read anew.

        A row that begins a window takes whatever is usable.
        """
        found = usable & ((at > self._at) | ~self._filled) if self._raw.count else usable
        np.copyto(self._at, at, where=found)
        return found

    def close(self, last: Floats, values: Floats, measured: Mask, gaps: Counts) -> bool:
        """Fill gaps of `gaps` rows that end here, between `last` and `values`.

        Return whether there were any.
        """
        if not self._raw.count:
            self._before[:] = np.nan
            return False
        closed = np.flatnonzero(measured & self._filled & (gaps > 0)).tolist()
        for i in closed:
            numbers = between(
                self._how[i], float(self._before[i]), float(last[i]), float(values[i]), int(gaps[i])
            )
            self._raw.change(i, numbers)
        np.copyto(self._before, self._raw.view[-1, : len(last)], where=measured)
        return bool(len(closed))

    def append(self, row: Floats) -> None:
        """Add float64[columns], held where it was not measured."""
        self._raw.append(row)
