"""The index of distributions, and when an hour or a day is told."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from edge_agent.core.drift import DAY, FEWEST, HOUR, Drift, psi
from edge_agent.core.manifest import Bins

S = 1_000_000_000
TENTHS = Bins(edges=[0.1 * i for i in range(1, 10)], shares=[0.1] * 10)
COARSE = Bins(edges=[5.0], shares=[0.5, 0.5])


def test_the_index_is_that_of_the_formula():
    counts, shares = np.array([100, 300, 600]), np.array([0.2, 0.3, 0.5])
    p = (counts + 0.5) / 1001.5
    assert psi(counts, shares) == pytest.approx(sum((p - shares) * np.log(p / shares)))


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=12).filter(any))
def test_it_is_never_negative_and_nearly_nothing_for_the_same_shares(counts):
    counts = np.array(counts)
    assert psi(counts, np.full(len(counts), 1 / len(counts))) >= 0
    same = np.full(len(counts), 1000)
    assert psi(same, np.full(len(counts), 1 / len(counts))) == pytest.approx(0, abs=1e-9)


def told(drift, hours, row, every=10):
    """What is told within so many hours of rows, with the hour in which it was."""
    found = []
    for second in range(0, hours * 3600 + every, every):
        found += [(second // 3600, d) for d in drift.take(row(second), second * S)]
    return found


def test_a_shifted_input_is_told_with_its_number_each_hour_and_day():
    drift = Drift(["speed", "load"], [TENTHS, COARSE])

    def row(second):
        return np.array([(second / 10 % 100) / 100, 9.0 if second >= 3600 else (second // 10 % 2) * 9.0])

    found = told(drift, 25, row)
    assert [(hour, d.name, d.span) for hour, d in found if d.span == "hour"] == [
        (h, "load", "hour") for h in range(2, 26)
    ]
    assert [(hour, d.name) for hour, d in found if d.span == "day"] == [(24, "load")]
    _, first = found[0]
    assert (first.limit, first.mean) == (0.2, pytest.approx(9.0))
    assert first.psi > 1
    assert drift.latest["speed"]["hour"] < 0.05


def test_what_hours_of_training_showed_themselves_is_not_told():
    usual = Bins(edges=[5.0], shares=[0.5, 0.5], hour=9.0)
    assert told(Drift(["load"], [usual]), 3, lambda _: np.array([9.0])) == []
    assert told(Drift(["load"], [COARSE], limit=9.0), 3, lambda _: np.array([9.0])) == []


def test_what_is_not_there_is_not_counted_and_few_rows_say_nothing():
    drift = Drift(["load"], [COARSE])
    assert told(drift, 3, lambda _: np.array([math.nan])) == []
    seldom = 3600 // (FEWEST - 2)
    assert told(drift, 3, lambda _: np.array([9.0]), every=seldom) == []
    assert drift.latest == {}


@given(st.lists(st.floats(-2, 2) | st.just(math.nan), min_size=1, max_size=300))
def test_counting_in_blocks_is_counting_one_by_one(values):
    drift = Drift(["x", "y"], [TENTHS, COARSE])
    for i, value in enumerate(values):
        drift.take(np.array([value, 9.0]), i)
    drift._count()
    there = [v for v in values if not math.isnan(v)]
    expected = np.bincount(np.searchsorted(TENTHS.edges, there, side="right"), minlength=10)
    np.testing.assert_array_equal(drift._hour[0][0], expected)
    assert drift._hour[0][1, 1] == len(values)


def test_a_day_is_twenty_four_hours():
    assert DAY == 24 * HOUR
