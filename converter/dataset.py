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
from edge_agent.core.preparation import Preparation

Floats32 = npt.NDArray[np.float32]
_CHUNK = 256
_MANY = 256
"""Columns, such as the samples of a waveform, beyond which only the ends of each one's range are chosen."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """`rows` float64[n, columns] in engineering units, `targets` float64[n] of outputs, by their names.

    The columns are those of a bundle: inputs, constants, and the wall time if a step asks for it. `runs` are
    the stretches of rows that follow each other without a hole.
    """

    rows: Floats
    targets: dict[str, Floats]
    runs: list[range]
    dropped: int

    def ends(self, span: int) -> Integers:
        """Return the last row of every window that is made of `span` rows. None spans two runs."""
        parts = [np.arange(run.start + span - 1, run.stop) for run in self.runs]
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
    given = [i.source for i in card.inputs] + [c.source for c in card.constants]
    given += [card.time] if card.clock else []
    wanted = given + [o.source for o in targets]
    table = read(path, wanted, card.group, card.columns, drop_nan, time=card.time if card.clock else "")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(table.run)) + 1, [len(table.values)]]).tolist()
    runs = [range(a, b) for a, b in pairwise(starts)]
    if max(len(run) for run in runs) < card.window:
        raise ConverterError(f"{path}: no {card.window} rows follow each other, which one window needs")
    width = len(given)
    _require_constants(path, card, table.values, runs)
    found = {o.name: table.values[:, width + place] for place, o in enumerate(targets)}
    return Dataset(np.ascontiguousarray(table.values[:, :width]), found, runs, table.dropped)


def _require_constants(path: Path, card: Card, values: Floats, runs: Sequence[range]) -> None:
    for place, constant in enumerate(card.constants, len(card.inputs)):
        for run in runs:
            if np.ptp(values[run.start : run.stop, place]) > 0:
                raise ConverterError(
                    f"{path}: column {constant.source!r} changes in a run, as no constant does; "
                    "make it an input, or name the column that tells machines apart as `group`"
                )


def raw_windows(rows: Floats, ends: Integers, span: int) -> Floats:
    """Return what the windows that end at `ends` are made of, in engineering units.

    float64[k, span, columns].
    """
    raw: Floats = rows[ends[:, None] + np.arange(1 - span, 1)]
    return raw


def prepared(manifest: Manifest, raw: Floats) -> Floats32:
    """Return float64[k, span, columns] after the steps, as flat windows: float32[k, window * features]."""
    return Preparation(manifest)(raw).reshape(len(raw), -1)


def flat(manifest: Manifest, rows: Floats, ends: Integers) -> Floats32:
    """Return the windows that end at `ends` after the steps: float32[k, window * features]."""
    prepare = Preparation(manifest)
    size = manifest.window * len(prepare.features)
    parts = [ends[i : i + _CHUNK] for i in range(0, len(ends), _CHUNK)]
    found = (prepared(manifest, raw_windows(rows, part, prepare.span)) for part in parts)
    return np.concatenate([np.empty((0, size), np.float32), *found])


def windows(manifest: Manifest, rows: Floats, ends: Integers) -> Windows:
    """Return the windows that end at `ends` as the gateway hands them to the model."""
    latest = rows[ends, : len(manifest.inputs)]
    return Windows(ends, latest, Packing.of(manifest)(flat(manifest, rows, ends)))


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
    strata = strata if rows.shape[1] <= _MANY else 2
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
