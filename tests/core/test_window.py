"""The ring against a list that anyone can follow."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from dense_model import manifest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.manifest import Input
from edge_agent.core.steps.change import Difference
from edge_agent.core.steps.clocks import Calendar
from edge_agent.core.steps.single import Ratio
from edge_agent.core.tags import Columns, Quality, Reason
from edge_agent.core.window import Obstacle, Window

S = 1_000_000_000

Row = tuple[int, list[float], list[bool]]


class Listed:
    """The same window as a plain list: the last rows, and how long each input was held."""

    def __init__(self, rows: int, inputs: int, max_held: int) -> None:
        self.rows, self.max_held = rows, max_held
        self.held, self.last = [0] * inputs, [0.0] * inputs
        self.window: list[list[float]] = []
        self.tick: int | None = None

    def push(self, tick: int, row: list[float], usable: list[bool]) -> None:
        before = tick - 1 if self.tick is None else self.tick
        for _ in range(before + 1, tick):
            self.put(row, [False] * len(row))
        self.tick = tick
        self.put(row, usable)

    def put(self, row: list[float], usable: list[bool]) -> None:
        for i, good in enumerate(usable):
            self.held[i] = 0 if good else self.held[i] + 1
            self.last[i] = row[i] if good else self.last[i]
        starts_with_a_hole = not self.window and not all(usable)
        if starts_with_a_hole or max(self.held) > self.max_held:
            self.window = []
        else:
            self.window = [*self.window, list(self.last)][-self.rows :]


def made(rows: int, inputs: int, max_held: int, **changes: Any) -> Window:
    """A window on the bundle's grid of one second, without steps."""
    columns = [Input(name=str(i), min=0, max=1, mean=0, std=1) for i in range(inputs)]
    bundle = manifest(inputs=columns, steps=[], period=1.0, window=rows, max_gap=float(max_held))
    return Window(msgspec.structs.replace(bundle, **changes), np.empty(0))


def put(window: Window, tick: int, row: list[float], usable: list[bool]) -> Obstacle | None:
    """Put a row; every value was read at its tick, in seconds."""
    good = np.array(usable)
    values = np.where(good, np.array(row, np.float64), np.nan)
    quality = np.where(good, Quality.GOOD, Quality.BAD).astype(np.uint8)
    reason = np.where(good, Reason.NONE, Reason.TIMEOUT).astype(np.uint8)
    at = np.full(len(row), min(tick, 10**9) * S, np.int64)
    return window.push(tick, Columns(values, quality, reason, at).frozen(), min(tick, 10**9) * S, math.nan)


def run(rows: int, inputs: int, max_held: int, pushes: list[Row]) -> None:
    window, listed = made(rows, inputs, max_held), Listed(rows, inputs, max_held)
    tick = 100
    for step, row, usable in pushes:
        tick += step
        obstacle = put(window, tick, row, usable)
        listed.push(tick, row, usable)
        assert window.full == (obstacle is None) == (len(listed.window) == rows)
        assert window.view.tolist() == listed.window
        assert window.view.flags.c_contiguous


@given(data=st.data(), rows=st.integers(1, 6), inputs=st.integers(1, 3), max_held=st.integers(0, 3))
def test_the_window_is_the_list_of_its_last_rows(
    data: st.DataObject, rows: int, inputs: int, max_held: int
) -> None:
    skips = st.sampled_from([1, 1, 1, 1, 1, 1, 2, 3, 5, 1000])
    values = st.lists(st.integers(-9, 9).map(float), min_size=inputs, max_size=inputs)
    mostly = st.sampled_from([True, True, True, True, False])
    masks = st.lists(mostly, min_size=inputs, max_size=inputs)
    run(rows, inputs, max_held, data.draw(st.lists(st.tuples(skips, values, masks), max_size=40)))


def push(window: Window, tick: int, *row: float, usable: tuple[bool, ...] | None = None) -> Obstacle | None:
    return put(window, tick, list(row), list(usable or [True] * len(row)))


def test_an_input_is_held_as_long_as_it_may_and_not_one_tick_longer() -> None:
    window = made(3, 2, max_held=2)
    for tick in range(3):
        push(window, tick, tick, 10 + tick)
    for tick in (3, 4):
        push(window, tick, tick, 99, usable=(True, False))
        assert window.full
    assert window.view.tolist() == [[2, 12], [3, 12], [4, 12]]
    assert push(window, 5, 5, 99, usable=(True, False)) == (Reason.TIMEOUT, "1")
    assert not window.full


def test_a_window_that_restarted_needs_all_its_rows_again() -> None:
    window = made(3, 1, max_held=0)
    for tick in range(3):
        push(window, tick, tick)
    push(window, 3, 99, usable=(False,))
    full = []
    for tick in range(4, 7):
        push(window, tick, tick)
        full.append(window.full)
    assert full == [False, False, True]
    assert window.view.tolist() == [[4], [5], [6]]


@pytest.mark.parametrize(("skipped", "whole"), [(1, True), (2, True), (3, False), (10**12, False)])
def test_skipped_ticks_count_as_held_rows(skipped: int, whole: bool) -> None:
    window = made(2, 1, max_held=2)
    push(window, 0, 0)
    push(window, 1, 1)
    push(window, 2 + skipped, 2)
    assert window.full == whole
    if whole:
        assert window.view.tolist() == [[1], [2]]


def test_a_first_row_with_a_hole_names_the_hole() -> None:
    window = made(2, 3, max_held=5)
    assert push(window, 0, 1, 2, 3, usable=(True, False, True)) == (Reason.TIMEOUT, "1")
    assert push(window, 1, 1, 2, 3) == (Reason.WARMING_UP, "")
    assert push(window, 2, 1, 2, 3) is None


def test_the_caller_may_reuse_its_row() -> None:
    window = made(2, 1, max_held=1)
    image = Columns(
        np.zeros(1), np.full(1, Quality.GOOD, np.uint8), np.zeros(1, np.uint8), np.zeros(1, np.int64)
    )
    for tick in range(2):
        image.value[0] = tick
        window.push(tick, image, 0, math.nan)
    image.value[0], image.quality[0] = 77, Quality.BAD
    window.push(2, image, 0, math.nan)
    assert window.view.tolist() == [[1], [1]]


def test_a_value_that_is_too_old_is_none_and_the_input_is_named() -> None:
    aged = [Input(name=n, min=0, max=1, mean=0, std=1, max_age=age) for n, age in (("a", None), ("b", 1.5))]
    window = Window(manifest(inputs=aged, steps=[], window=1), np.empty(0))
    for age, said in ((0, None), (1500, None), (1501, (Reason.STALE, "b")), (10, None)):
        at = np.array([0, 10**10 - age * 10**6], np.int64)
        good, fine = np.full(2, Quality.GOOD, np.uint8), np.zeros(2, np.uint8)
        assert window.push(0, Columns(np.ones(2), good, fine, at), 10**10, math.nan) == said
        window.restart()


def test_a_window_that_is_mostly_filled_has_no_result_and_the_worst_input_is_named() -> None:
    window = made(4, 2, max_held=2, min_good=0.5)
    for tick in range(4):
        push(window, tick, tick, tick)
    said = [push(window, 4 + i, 4, 4, usable=(i != 1, False)) for i in range(2)]
    assert said == [None, None]
    assert push(window, 6, 6, 6) is None
    assert push(window, 7, 7, 7, usable=(True, False)) == (Reason.FILLED, "1")
    assert window.full, "it did not restart"
    assert push(window, 8, 8, 8) is None


def test_what_the_steps_make_nothing_finite_of_begins_the_window_anew_and_is_named() -> None:
    window = made(1, 2, 3, steps=[Difference(columns=["1"], suffix="_rise")])
    assert push(window, 0, 1, 2) == (Reason.WARMING_UP, "")
    assert push(window, 1, 1, 2) is None
    assert push(window, 2, 1, 1e300) == (Reason.NOT_FINITE, "1")
    assert push(window, 3, 1, 2) == (Reason.WARMING_UP, "")
    assert push(window, 4, 1, 2) is None


def test_the_wall_time_and_constants_stand_behind_the_inputs() -> None:
    load = [Input(name="load", min=0, max=1, mean=0, std=1)]
    rated = [Input(name="rated", min=55, max=55, mean=55, std=0)]
    steps = [Ratio(columns=["load"], by="rated", floor=1), Calendar(parts=("hour",))]
    bundle = manifest(inputs=load, constants=rated, steps=steps, window=2, period=1.0)
    window = Window(bundle, np.array([50.0]))
    good, fine, at = np.full(1, Quality.GOOD, np.uint8), np.zeros(1, np.uint8), np.zeros(1, np.int64)
    image = Columns(np.array([25.0]), good, fine, at)
    assert window.push(0, image, 0, 6 * 3600.0) == (Reason.WARMING_UP, "")
    assert window.push(1, image, 0, 12 * 3600.0) is None
    expected = [[0.5, 50, 1, 0], [0.5, 50, 0, -1]]
    np.testing.assert_allclose(window.view, expected, atol=1e-7)
    assert window.row.tolist() == [25, 50, 12 * 3600]
    assert window.push(2, image, 0, math.nan) == (Reason.NOT_FINITE, "time")


def test_the_devices_own_time_is_data_and_moves_no_row() -> None:
    """Late, doubled and backward time stamps of the source give the same window as none."""
    plain, stamped = made(3, 1, max_held=1), made(3, 1, max_held=1)
    good, fine = np.full(1, Quality.GOOD, np.uint8), np.zeros(1, np.uint8)
    for tick, source in enumerate([9, 5, 5, 0, 10**18]):
        at, values = np.full(1, tick * S, np.int64), np.array([float(tick)])
        plain.push(tick, Columns(values, good, fine, at), tick * S, math.nan)
        stamps = np.array([source], np.int64)
        stamped.push(tick, Columns(values, good, fine, at, source=stamps), tick * S, math.nan)
    assert stamped.view.tolist() == plain.view.tolist() == [[2], [3], [4]]
