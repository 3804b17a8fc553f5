"""Slow drift: how far the distribution of an hour, or a day, is from that of the training rows.

The number is the population stability index, the sum of ``(p - q) ln(p / q)`` over the bins (Siddiqi, Credit
Risk Scorecards, 2006): usually below 0.1 nothing has changed, above 0.2 something has.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.core.manifest import Bins, Manifest
from edge_agent.core.outputs import Reading
from edge_agent.core.tags import Columns, Floats, Quality

Counts = npt.NDArray[np.int64]
_NS = 1_000_000_000
HOUR, DAY = 3600 * _NS, 86_400 * _NS
LIMIT = 0.2
FEWEST = 100
"""Rows: of fewer the index says more about chance than about the machine."""
_BLOCK = 64
"""Rows that are counted at once, so that a cycle costs a copy."""


def psi(counts: Counts, shares: Floats) -> float:
    """Return the index of int64[bins] against shares of training rows; an empty bin counts as half a row."""
    q = np.maximum(shares, 1e-4)
    p = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    return float(((p - q) * np.log(p / q)).sum())


class Drifted(msgspec.Struct, frozen=True, kw_only=True):
    """One input or output whose last hour or day was unlike the training rows. `mean` is that of the time."""

    name: str
    span: str
    psi: float
    limit: float
    mean: float

    @property
    def text(self) -> str:
        """Return it as a sentence."""
        return (
            f"{self.name} in the last {self.span}: PSI {self.psi:.2f}, above {self.limit:.2f}; its mean was "
            f"{self.mean:.4g}"
        )


class Drift:
    """Counts rows by bins. Nothing is kept over a restart: hour and day begin anew.

    The first `names` are inputs, the last the scores of `outputs`, by their places in the bundle.
    """

    def __init__(
        self, names: Sequence[str], bins: Sequence[Bins], limit: float = LIMIT, outputs: Sequence[int] = ()
    ) -> None:
        self._names, self._bins, self._limit, self._outputs = list(names), list(bins), limit, outputs
        widest = max(len(b.edges) for b in bins)
        self._edges = np.array([[*b.edges, *[math.inf] * (widest - len(b.edges))] for b in bins])
        self._offsets = np.arange(len(bins)) * (widest + 1)
        self._block = np.empty((_BLOCK, len(bins)))
        self._rows = 0
        self._hour, self._day = self._nothing(), self._nothing()
        self._began: tuple[int, int] | None = None
        self.latest: dict[str, dict[str, float]] = {}
        """The last index of each name, by ``hour`` and ``day``."""

    @classmethod
    def of(cls, manifest: Manifest, limit: float) -> "Drift | None":
        """Return what watches a bundle's inputs and scores, None if it does not say how they were."""
        envelope = manifest.envelope
        if envelope is None or not envelope.bins:
            return None
        scored = manifest.drifting
        names = [i.name for i in manifest.inputs] + scored
        bins = [*envelope.bins, *map(envelope.scores.__getitem__, scored)]
        return cls(names, bins, limit, [n for n, o in enumerate(manifest.outputs) if o.name in scored])

    def _nothing(self) -> tuple[Counts, Floats]:
        shape = len(self._bins), self._edges.shape[1] + 1
        return np.zeros(shape, np.int64), np.zeros(len(self._bins))

    def see(self, inputs: Columns, readings: Sequence[Reading], now: int) -> list[Drifted]:
        """Take the inputs and the readings of a cycle; see `take`. What is not GOOD does not count."""
        good = np.where(inputs.quality == Quality.GOOD, inputs.value, np.nan)
        return self.take(np.concatenate((good, [readings[place].score for place in self._outputs])), now)

    def take(self, row: Floats, now: int) -> list[Drifted]:
        """Take float64[names] at `now` (monotonic ns), NaN for what is not there.

        Return what was unlike the training rows, at the end of an hour and of a day.
        """
        if self._began is None:
            self._began = now, now
        self._block[self._rows] = row
        self._rows += 1
        if self._rows == _BLOCK:
            self._count()
        if now - self._began[0] < HOUR:
            return []
        self._count()
        self._day = self._day[0] + self._hour[0], self._day[1] + self._hour[1]
        found = self._judge("hour", *self._hour)
        self._hour = self._nothing()
        day_began = self._began[1]
        if now - day_began >= DAY:
            found += self._judge("day", *self._day)
            self._day, day_began = self._nothing(), now
        self._began = now, day_began
        return found

    def _count(self) -> None:
        block = self._block[: self._rows]
        there = np.isfinite(block)
        places = (block[:, :, None] >= self._edges).sum(axis=2) + self._offsets
        counts, sums = self._hour
        counts += np.bincount(places[there], minlength=counts.size).reshape(counts.shape)
        sums += np.where(there, block, 0.0).sum(axis=0)
        self._rows = 0

    def _judge(self, span: str, counts: Counts, sums: Floats) -> list[Drifted]:
        found = []
        for place, (name, bins) in enumerate(zip(self._names, self._bins, strict=True)):
            rows = int(counts[place].sum())
            if rows < FEWEST:
                continue
            index = psi(counts[place, : len(bins.shares)], np.array(bins.shares))
            self.latest.setdefault(name, {})[span] = index
            limit = max(self._limit, bins.hour if span == "hour" else bins.day)
            if index > limit:
                mean = float(sums[place]) / rows
                found.append(Drifted(name=name, span=span, psi=index, limit=limit, mean=mean))
        return found
