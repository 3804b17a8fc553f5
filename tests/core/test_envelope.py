"""What is outside of the training rows, which input is named, and for how long it counts."""

from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from dense_model import MANIFEST, manifest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from edge_agent.core.envelope import Guard, Likeness
from edge_agent.core.manifest import Envelope, Input
from edge_agent.core.parsing import ManifestError, parse
from edge_agent.core.tags import Columns, Quality

INPUTS = [
    Input(name=name, unit=unit, min=0, max=0, mean=mean, std=std)
    for name, unit, mean, std in (("load", "kW", 50, 10), ("temp", "degC", 60, 5), ("flow", "", 3, 1))
]
CORRELATION = np.array([[1.0, 0.95, 0.0], [0.95, 1.0, 0.0], [0.0, 0.0, 1.0]])
FACTOR = np.linalg.inv(np.linalg.cholesky(CORRELATION))
ENVELOPE = Envelope(
    low=[10, 40, 0],
    high=[90, 80, 6],
    rate=[5.0, 1.0, None],
    distance=4.0,
    factor=[row[: i + 1].tolist() for i, row in enumerate(FACTOR)],
)


def bundle(**changes: Any):
    envelope = msgspec.structs.replace(ENVELOPE, **changes)
    return manifest(inputs=INPUTS, steps=[], envelope=envelope, window=3, period=2.0)


def image(*values: float) -> Columns:
    quality = np.where(np.isnan(values), Quality.BAD, Quality.GOOD).astype(np.uint8)
    return Columns(np.array(values), quality, np.zeros(3, np.uint8), np.zeros(3, np.int64))


def guard(**changes: Any) -> Guard:
    made = bundle(**changes)
    return Guard(made, made.envelope)


@pytest.mark.parametrize(
    ("before", "row", "said"),
    [
        ((50, 60, 3), (50, 60, 3), None),
        ((50, 60, 3), (55, 62, 6), None),
        ((50, 79, 6), (50, 79, 6.1), ("flow", "flow 6.1, above 6 in training")),
        ((11, 41, 3), (9, 41, 3), ("load", "load 9 kW, below 10 in training")),
        ((50, 60, 3), (95, 81, 3), ("load", "load 95 kW, above 90 in training")),
        ((50, 60, 3), (50, 57, 3), ("temp", "temp -1.5 degC per second, beyond 1 in training")),
        (
            (50, 60, 3),
            (58, 58, 3),
            None,
        ),
        ((40, 70, 3), (40, 70, 3), ("temp", "temp 70 degC, where the other inputs make 55.25 degC likely")),
        ((np.nan, 60, 3), (50, 60, 3), None),
        ((50, 60, 3), (50, np.nan, 3), None),
    ],
)
def test_the_input_that_is_furthest_is_named(before, row, said):
    look = guard()
    look.see(4, image(*before))
    look.see(5, image(*row))
    found = look.outside
    assert (found and (found.input, found.text)) == said


def test_a_change_over_a_gap_has_the_time_of_the_gap():
    look = guard()
    look.see(1, image(50, 60, 3))
    look.see(2, image(50, np.nan, 3))
    look.see(3, image(50, 63, 3))
    assert look.outside is None, "3 degrees in 4 seconds"


def test_it_counts_for_as_long_as_a_window_holds_the_row():
    quiet = guard(rate=[None] * 3, distance=99.0)
    said = []
    for tick, load in enumerate((50.0, 95.0, 50.0, 50.0, 50.0), 1):
        quiet.see(tick, image(load, 60, 3))
        said.append(quiet.outside is not None)
    assert said == [False, True, True, True, False]
    quiet.see(6, image(95.0, 60, 3))
    quiet.restart()
    assert quiet.outside is None


def test_what_is_not_good_is_held_and_stays_what_it_was():
    look = guard(rate=[None] * 3)
    look.see(1, image(95, 70, 3))
    for tick in range(2, 9):
        look.see(tick, image(np.nan, 70, 3))
    assert look.outside is not None, "the window holds the value that was too high"


finite = st.floats(-1e308, 1e308)


@given(arrays(np.float64, (6, 3), elements=finite | st.just(np.nan)), st.lists(st.integers(1, 9), min_size=6))
def test_whatever_comes_it_says_an_input_or_nothing(rows, gaps):
    look = guard()
    for tick, row in zip(np.cumsum(gaps).tolist(), rows, strict=False):
        look.see(tick, image(*row))
        assert look.outside is None or look.outside.input in ("load", "temp", "flow")


@given(arrays(np.float64, 3, elements=st.floats(0, 100)))
def test_the_shares_are_by_how_much_the_squared_distance_falls(row):
    likeness = Likeness(bundle())
    off = likeness.unexplained(row)
    for place, share in enumerate(likeness.shares(row)):
        likely = row.copy()
        likely[place] -= off[place]
        fallen = likeness.distance(row) ** 2 - likeness.distance(likely) ** 2
        assert fallen == pytest.approx(share, rel=1e-6, abs=1e-6)


def test_without_an_envelope_inputs_count_as_independent():
    likeness = Likeness(manifest(inputs=INPUTS))
    np.testing.assert_allclose(likeness.unexplained(np.array([60.0, 60, 2])), [10, 0, -1])


def test_a_constant_input_takes_no_part_in_the_distance():
    constant = [msgspec.structs.replace(i, std=0.0) if i.name == "flow" else i for i in INPUTS]
    likeness = Likeness(msgspec.structs.replace(bundle(), inputs=constant))
    assert likeness.distance(np.array([50.0, 60, 1e9])) == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"low": [0.0]}, "low, high and rate need 4"),
        ({"low": [9.0] * 4, "high": [1.0] * 4}, "low must not be above high"),
        ({"distance": 0.0}, "distance and rate must be more than 0"),
        ({"rate": [0.0] * 4}, "distance and rate must be more than 0"),
        ({"factor": [[1.0]] * 4}, "lower triangular, of 4 rows"),
        ({"bins": [{"edges": [1.0], "shares": [0.5, 0.5]}]}, "bins need to be 4"),
        ({"scores": {"x": {"edges": [1.0], "shares": [0.5, 0.5]}}}, "scores must name outputs"),
        ({"scores": {"wear": {"edges": [2.0, 1.0], "shares": [0.3, 0.3, 0.4]}}}, "edges must ascend"),
        ({"scores": {"wear": {"edges": [], "shares": []}}}, "one share more"),
    ],
)
def test_an_envelope_that_contradicts_itself_is_refused(changes, says):
    whole = {"low": [0.0] * 4, "high": [1.0] * 4, "rate": [None] * 4, "distance": 1.0}
    plain = msgspec.to_builtins(MANIFEST) | {"envelope": whole}
    assert parse(msgspec.json.encode(plain)).envelope is not None
    with pytest.raises(ManifestError, match=says):
        parse(msgspec.json.encode(plain | {"envelope": whole | changes}))
