"""What is held back from calibration, and what an alarm makes of a candidate's answers to it."""

import dense_model
import numpy as np
import pytest

from converter import dataset, decisions, holdout
from converter.card import Card, Input, Output
from converter.dataset import Dataset, Windows
from edge_agent.core.manifest import Limits


def card(window: int, width: int, train_rows: int | None = None) -> Card:
    inputs = [Input(name=f"i{n}") for n in range(width)]
    output = Output(name="y", kind="value")
    return Card(
        name="x", version="1", period=1, inputs=inputs, outputs=[output], window=window, train_rows=train_rows
    )


def recording(rows: int, width: int) -> Dataset:
    values = np.random.default_rng(0).normal(size=(rows, width))
    return Dataset(values, {}, [range(rows)], 0)


def rows_of(ends: np.ndarray, window: int) -> set[int]:
    return {row for end in ends.tolist() for row in range(end - window + 1, end + 1)}


@pytest.mark.parametrize("train_rows", [None, 20_000])
def test_what_is_held_back_shares_no_row_with_what_calibrates(train_rows: int | None) -> None:
    data = recording(25_000, 4)
    found = holdout.split(card(10, 4, train_rows), data, 10)
    assert found.clean
    assert holdout.FEWEST_HELD <= len(found.held) <= holdout.HELD
    assert not rows_of(found.calibrating, 10) & rows_of(found.held, 10)
    assert np.all(np.diff(found.held) > 0)
    assert np.mean(np.diff(found.held) == 1) > 0.8, "alarms need stretches of time"
    training = data.rows[9:train_rows]
    seen = data.rows[found.calibrating]
    assert np.array_equal(seen.min(axis=0), training.min(axis=0))
    assert np.array_equal(seen.max(axis=0), training.max(axis=0))
    if train_rows:
        assert found.held.min() - 9 >= train_rows > found.calibrating.max()


def test_what_calibrates_covers_the_range_evenly_and_not_only_where_the_data_is() -> None:
    rare = np.random.default_rng(0).exponential(size=(20_000, 1))
    chosen_ends = dataset.stratified(rare, np.arange(20_000), 100)
    ranks = np.argsort(np.argsort(rare[:, 0]))[chosen_ends] / 20_000
    assert np.histogram(ranks, bins=10, range=(0, 1))[0].min() >= 5
    assert {rare.argmin(), rare.argmax()} <= set(chosen_ends)


def test_few_rows_and_wide_windows_are_split_as_well_as_can_be() -> None:
    few = holdout.split(card(2, 2), recording(60, 2), 2)
    assert not few.clean
    assert len(few.held) == 59
    wide = holdout.split(card(1000, 64), recording(20_000, 64), 1000)
    assert len(wide.held) * 1000 * 64 * 4 <= 2 * holdout.BYTES


LIMITS = Limits(on=0.8, off=0.4, on_delay=2, off_delay=1)


def test_missed_and_false_alarms_are_those_of_the_gateways_own_alarm() -> None:
    manifest = dense_model.manifest(outputs=dense_model.limited(LIMITS))
    ends = np.r_[np.arange(0, 20), np.arange(100, 120)]
    before, after = np.zeros((40, 1), np.float32), np.zeros((40, 1), np.float32)
    before[3:9] = 0.9  # both alarm
    after[4:9] = 0.95
    before[12:14] = 0.9  # shorter than the delay: a flip, no alarm
    before[18:22] = 0.9  # two ticks before the hole and two after it: no alarm
    after[30:34] = 0.9  # a false one
    seen = Windows(ends, np.zeros((40, 4)), np.zeros((40, 16), np.float32))
    courses = [decisions.courses(manifest, seen, answers) for answers in (before, after)]
    (found,) = decisions.compare(manifest, seen, *courses)
    assert (found.alarms, found.missed, found.false) == (1, 0, 1)
    assert found.flipped == [3, 12, 13, 18, 19, 100, 101, *range(110, 114)]
    assert found.flips == pytest.approx(11 / 40)
    (back,) = decisions.compare(manifest, seen, *reversed(courses))
    assert (back.alarms, back.missed, back.false) == (2, 1, 0)
