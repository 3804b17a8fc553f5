"""What is stored of the training rows: ranges and paces, how they go together, how they are distributed."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from converter.card import Card
from converter.dataset import Dataset
from converter.decisions import Course
from converter.table import Floats
from edge_agent.core.drift import psi
from edge_agent.core.manifest import Bins, Envelope, Manifest

FRINGE, MARGIN = 1e-4, 0.1
"""Share of rows at each end that may lie outside of the range; its margin, as a share of the range."""
FASTER = 1.5
"""A rate beyond this many times the highest of the training rows is outside."""
FARTHER, FARTHEST = 1.25, 0.9999
"""The joint distance is bounded by so many times this quantile of rows held back."""
MOST_JOINT = 64
"""Inputs that are looked at jointly; more count as independent, so that a row costs little."""
FLOOR = 1e-3
"""Variance, in shares of an input's own, that its relation to the others leaves at least."""
BLOCKS, EVERY = 50, 5
BINS, PIECES, FEWEST = 10, 10, 100


def of(manifest: Manifest, card: Card, data: Dataset, courses: Mapping[str, Course]) -> Envelope:
    """Return the envelope of the training rows; `courses` are what outputs say to the windows held back."""
    rows = data.rows[: card.train_rows, : len(manifest.inputs)]
    runs = [rows[run.start : run.stop] for run in data.runs if run.start < len(rows)]
    low, high = np.quantile(rows, [FRINGE, 1 - FRINGE], axis=0)
    # A constant that a PLC holds as float32 is still the same.
    margin = np.maximum(MARGIN * (high - low), 1e-6 * np.maximum(np.abs(low), np.abs(high)))
    factor, distance = _joint(manifest, rows)
    scores = {name: course.scores[np.isfinite(course.scores)] for name, course in courses.items()}
    return Envelope(
        low=(low - margin).tolist(),
        high=(high + margin).tolist(),
        rate=_rates(runs, manifest.period),
        distance=distance,
        factor=factor,
        bins=[_bins(column, manifest.period) for column in rows.T],
        scores={name: _bins(said, manifest.period) for name, said in scores.items() if len(said) >= FEWEST},
    )


def _rates(runs: list[Floats], period: float) -> list[float | None]:
    highest = np.max([np.abs(np.diff(run, axis=0)).max(axis=0, initial=0.0) for run in runs], axis=0)
    return [FASTER * float(rate) / period if rate > 0 else None for rate in highest]


def _joint(manifest: Manifest, rows: Floats) -> tuple[list[list[float]], float]:
    """Return the factor, empty for many inputs, and the bound on the distance."""
    std = np.array([i.std for i in manifest.inputs], np.float64)
    mean = np.array([i.mean for i in manifest.inputs])
    z = np.divide(rows - mean, std, out=np.zeros_like(rows), where=std > 0)
    blocks = np.array_split(z, BLOCKS)
    held = np.concatenate(blocks[EVERY - 1 :: EVERY])
    rest = np.concatenate([block for place, block in enumerate(blocks) if (place + 1) % EVERY])
    width = len(std)
    factor = np.eye(width)
    if 1 < width <= MOST_JOINT:
        covariance = shrunk(rest if len(rest) > width else z) + FLOOR * np.eye(width)
        factor = np.linalg.inv(np.linalg.cholesky(covariance))
    seen = held if len(held) >= FEWEST else z
    distance = FARTHER * float(np.quantile(np.sqrt(((seen @ factor.T) ** 2).sum(axis=1)), FARTHEST))
    lower = [factor[i, : i + 1].tolist() for i in range(width)] if 1 < width <= MOST_JOINT else []
    return lower, max(distance, FLOOR)


def shrunk(z: Floats) -> Floats:
    """Return the covariance of float64[n, inputs] about 0, shrunk towards a multiple of the identity.

    Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, J. Multivariate
    Analysis 88 (2004), 3.3: well conditioned also where inputs are many, alike, or constant.
    """
    n, width = z.shape
    sample: Floats = z.T @ z / n
    level = float(np.trace(sample)) / width
    spread = float(((sample - level * np.eye(width)) ** 2).sum())
    if spread == 0:
        return sample
    fourth = float(((z * z).sum(axis=1) ** 2).sum())
    noise = min((fourth - n * float((sample**2).sum())) / n**2, spread)
    share = max(noise, 0.0) / spread
    found: Floats = share * level * np.eye(width) + (1 - share) * sample
    return found


def _bins(column: Floats, period: float) -> Bins:
    edges = np.unique(np.quantile(column, np.arange(1, BINS) / BINS))
    places = np.searchsorted(edges, column, side="right")
    shares = np.bincount(places, minlength=len(edges) + 1) / len(column)
    hour, day = (_usual(places, shares, round(seconds / period)) for seconds in (3600, 86_400))
    return Bins(edges=edges.tolist(), shares=shares.tolist(), hour=hour, day=min(hour, day))


def _usual(places: npt.NDArray[np.intp], shares: Floats, rows: int) -> float:
    """Return the largest PSI of any stretch of so many rows.

    Where the data is shorter than two of them, of its tenths: these differ more than longer ones would.
    """
    return max(psi(np.bincount(part, minlength=len(shares)), shares) for part in _stretches(places, rows))


def _stretches(places: npt.NDArray[np.intp], rows: int) -> Iterator[npt.NDArray[np.intp]]:
    count = len(places) // rows if len(places) >= 2 * rows else PIECES
    edges = np.linspace(0, len(places), count + 1).round().astype(int).tolist()
    yield from (places[a:b] for a, b in pairwise(edges) if b > a)
