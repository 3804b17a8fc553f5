"""The ring against a list that anyone can follow."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.window import Window

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


def run(rows: int, inputs: int, max_held: int, pushes: list[Row]) -> None:
    window, listed = Window(rows, inputs, max_held), Listed(rows, inputs, max_held)
    tick = 100
    for step, row, usable in pushes:
        tick += step
        window.push(tick, np.array(row, np.float32), np.array(usable))
        listed.push(tick, row, usable)
        assert window.full == (len(listed.window) == rows)
        if window.full:
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


def push(window: Window, tick: int, *row: float, usable: tuple[bool, ...] | None = None) -> None:
    mask: npt.NDArray[np.bool_] = np.array(usable or [True] * len(row))
    window.push(tick, np.array(row, np.float32), mask)


def test_an_input_is_held_as_long_as_it_may_and_not_one_tick_longer() -> None:
    window = Window(3, 2, max_held=2)
    for tick in range(3):
        push(window, tick, tick, 10 + tick)
    for tick in (3, 4):
        push(window, tick, tick, 99, usable=(True, False))
        assert window.full
    assert window.view.tolist() == [[2, 12], [3, 12], [4, 12]]
    push(window, 5, 5, 99, usable=(True, False))
    assert not window.full
    assert window.blocked == 1


def test_a_window_that_restarted_needs_all_its_rows_again() -> None:
    window = Window(3, 1, max_held=0)
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
    window = Window(2, 1, max_held=2)
    push(window, 0, 0)
    push(window, 1, 1)
    push(window, 2 + skipped, 2)
    assert window.full == whole
    if whole:
        assert window.view.tolist() == [[1], [2]]


def test_a_first_row_with_a_hole_names_the_hole() -> None:
    window = Window(2, 3, max_held=5)
    push(window, 0, 1, 2, 3, usable=(True, False, True))
    assert window.blocked == 1
    push(window, 1, 1, 2, 3, usable=(True, True, True))
    assert window.blocked is None


def test_the_caller_may_reuse_its_row() -> None:
    window = Window(2, 1, max_held=1)
    row = np.zeros(1, np.float32)
    for tick in range(2):
        row[0] = tick
        window.push(tick, row, np.ones(1, np.bool_))
    row[0] = 77
    window.push(2, row, np.zeros(1, np.bool_))
    assert window.view.tolist() == [[1], [1]]
