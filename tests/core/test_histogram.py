"""Durations in buckets: every one is counted once, and the cumulative counts are what Prometheus wants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.histogram import BOUNDS, Histogram

DURATIONS = st.lists(st.floats(0, 100, allow_nan=False), max_size=50)


def test_an_upper_end_belongs_to_its_bucket() -> None:
    histogram = Histogram()
    for bound in BOUNDS:
        histogram.observe(bound)
    assert histogram.counts == [1] * len(BOUNDS) + [0]


@given(DURATIONS)
def test_cumulative_counts_are_those_of_all_durations_up_to_there(durations: list[float]) -> None:
    histogram = Histogram()
    for duration in durations:
        histogram.observe(duration)
    buckets = histogram.buckets()
    assert [name for name, _ in buckets] == [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    assert [count for _, count in buckets[:-1]] == [sum(d <= b for d in durations) for b in BOUNDS]
    assert buckets[-1][1] == len(durations)
    assert histogram.total == pytest.approx(sum(durations))
    assert histogram.last == (durations[-1] if durations else None)
