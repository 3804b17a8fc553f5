"""Recorded rows as windows: which there are, and which to choose for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converter.card import Card, Output
from converter.errors import ConverterError
from converter.table import Floats, Integers, read
from edge_agent.core.manifest import Manifest
from edge_agent.core.packing import Packing
from edge_agent.core.steps import Preparation

Floats32 = npt.NDArray[np.float32]
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Dataset:
    """`rows` float64[n, inputs] in engineering units, `targets` float64[n] of outputs, by their names.

    `runs` are the stretches of rows that follow each other without a hole.
    """

    rows: Floats
    targets: dict[str, Floats]
    runs: list[range]
    dropped: int

    def ends(self, window: int) -> Integers:
        """Return the last row of every window of `window` rows. No window spans two runs."""
        parts = [np.arange(run.start + window - 1, run.stop) for run in self.runs]
        ends: Integers = np.concatenate(parts).astype(np.int64)
        return ends


@dataclass(frozen=True, slots=True)
class Windows:
    """k windows as the gateway sees them.

    `ends` int64[k] are their last rows in the data, ascending; `latest` float64[k, inputs] is what stands
    there, in engineering units; `packed` float32[k, input_size] is what the model is asked.
    """

    ends: Integers
    latest: Floats
    packed: Floats32

    def stretches(self) -> list[slice]:
        """Return the stretches of windows that follow each other row by row, without a hole."""
        holes = np.flatnonzero(np.diff(self.ends) != 1) + 1
        edges = [0, *holes.tolist(), len(self.ends)]
        return [slice(a, b) for a, b in pairwise(edges)]


def load(path: Path, card: Card, drop_nan: bool, targets: Sequence[Output] = ()) -> Dataset:
    """Read the columns of the card's inputs, and those of the targets. Raises `ConverterError`."""
    wanted = [i.source for i in card.inputs] + [o.source for o in targets]
    table = read(path, wanted, card.group, card.columns, drop_nan)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(table.run)) + 1, [len(table.values)]]).tolist()
    runs = [range(a, b) for a, b in pairwise(starts)]
    if max(len(run) for run in runs) < card.window:
        raise ConverterError(f"{path}: no {card.window} rows follow each other, which one window needs")
    width = len(card.inputs)
    found = {o.name: table.values[:, width + place] for place, o in enumerate(targets)}
    return Dataset(np.ascontiguousarray(table.values[:, :width]), found, runs, table.dropped)


def raw_windows(rows: Floats, ends: Integers, window: int) -> Floats:
    """Return the windows that end at `ends`, in engineering units: float64[k, window, inputs]."""
    raw: Floats = rows[ends[:, None] + np.arange(1 - window, 1)]
    return raw


def prepared(manifest: Manifest, raw: Floats) -> Floats32:
    """Return float64[k, window, inputs] after the steps, as flat windows: float32[k, window * inputs]."""
    return Preparation(manifest)(raw).reshape(len(raw), -1)


def flat(manifest: Manifest, rows: Floats, ends: Integers) -> Floats32:
    """Return the windows that end at `ends` after the steps: float32[k, window * inputs]."""
    size = manifest.window * len(manifest.inputs)
    parts = [ends[i : i + _CHUNK] for i in range(0, len(ends), _CHUNK)]
    found = (prepared(manifest, raw_windows(rows, part, manifest.window)) for part in parts)
    return np.concatenate([np.empty((0, size), np.float32), *found])


def windows(manifest: Manifest, rows: Floats, ends: Integers) -> Windows:
    """Return the windows that end at `ends` as the gateway hands them to the model."""
    return Windows(ends, rows[ends], Packing.of(manifest)(flat(manifest, rows, ends)))


def spread(ends: Integers, count: int) -> Integers:
    """Choose up to `count` of `ends`, evenly over all of them, first and last among them."""
    if len(ends) <= count:
        return ends
    return ends[np.linspace(0, len(ends) - 1, count).round().astype(np.int64)]


def stretches(ends: Integers, count: int, pieces: int) -> Integers:
    """Choose up to `count` of `ends` in up to `pieces` stretches, evenly over all: an alarm needs a past."""
    if len(ends) <= count:
        return ends
    return np.concatenate([part[: count // pieces] for part in np.array_split(ends, pieces)])


def stratified(rows: Floats, ends: Integers, count: int, strata: int = 16) -> Integers:
    """Choose up to about `count` of `ends` that cover the time and the range of every input.

    Calibration sees only what is chosen here, so each input's smallest and largest value is included.
    """
    if not len(ends):
        return ends
    ranks = np.linspace(0, len(ends) - 1, strata).round().astype(np.int64)
    by_value = [ends[np.argsort(rows[ends, column], kind="stable")[ranks]] for column in range(rows.shape[1])]
    rest = max(count - strata * rows.shape[1], count // 2)
    chosen: Integers = np.unique(np.concatenate([spread(ends, rest), *by_value]))
    return chosen


def extremes(rows: Floats, ends: Integers) -> Integers:
    """Choose the windows of `ends` whose last rows hold the smallest and the largest value of an input."""
    if not len(ends):
        return ends
    chosen: Integers = np.unique(ends[[rows[ends].argmin(axis=0), rows[ends].argmax(axis=0)]])
    return chosen
