"""Which windows calibrate and which are held back: nothing is judged by what it was made from."""

from dataclasses import dataclass

import numpy as np

from converter import dataset
from converter.card import Card
from converter.dataset import Dataset
from converter.table import Integers

CALIBRATING, HELD, FEWEST_HELD = 400, 4000, 200
BYTES = 32 * 1024 * 1024
"""Of held-back windows, as float32; long and wide windows are held back in smaller numbers."""
BLOCKS, EVERY = 50, 5
"""If all rows are training rows: every fifth of fifty blocks of time is held back."""
PIECES = 20


@dataclass(frozen=True, slots=True)
class Split:
    """Last rows of windows, ascending. `clean`: no window of `held` shares a row with `calibrating`'s.

    `training` counts the windows that calibration may choose from.
    """

    calibrating: Integers
    held: Integers
    training: int
    clean: bool


def split(card: Card, data: Dataset, span: int) -> Split:
    """Split by the card's `train_rows`, or if all rows are training rows, by blocks of time.

    A window is made of `span` rows.
    Whatever is calibrated sees the smallest and the largest value of every input, wherever they are.
    """
    ends = data.ends(span)
    most = max(FEWEST_HELD, min(HELD, BYTES // (4 * span * data.rows.shape[1])))
    if card.train_rows is not None:
        training = ends[ends < card.train_rows]
        later = ends[ends - span + 1 >= card.train_rows]
        if len(later) >= FEWEST_HELD:
            calibrating = dataset.stratified(data.rows, training, CALIBRATING)
            return Split(calibrating, dataset.stretches(later, most, PIECES), len(training), clean=True)
    else:
        training = ends
    blocks = np.array_split(ends, BLOCKS)
    held = np.concatenate(blocks[EVERY - 1 :: EVERY])
    free = np.setdiff1d(apart(training, held, span), held)
    extremes = dataset.extremes(data.rows, training)
    calibrating = np.union1d(dataset.stratified(data.rows, free, CALIBRATING), extremes)
    held = apart(held, calibrating, span)
    if len(held) >= FEWEST_HELD and len(free):
        return Split(calibrating, dataset.stretches(held, most, PIECES), len(training), clean=True)
    calibrating = dataset.stratified(data.rows, training, CALIBRATING)
    others = np.setdiff1d(ends, calibrating)
    held = others if len(others) >= FEWEST_HELD else ends
    return Split(calibrating, dataset.stretches(held, most, PIECES), len(training), clean=False)


def apart(ends: Integers, others: Integers, span: int) -> Integers:
    """Return those windows of `ends` that share no row with one of `others`, ascending."""
    if not len(others):
        return ends
    after = np.searchsorted(others, ends)
    next_one = others[np.minimum(after, len(others) - 1)]
    one_before = others[np.maximum(after - 1, 0)]
    near = np.minimum(np.abs(next_one - ends), np.abs(ends - one_before))
    left: Integers = ends[near >= span]
    return left
