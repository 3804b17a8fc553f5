"""Grading: a value is NaN if and only if its quality is BAD."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.tags import Columns, Grader, Quality, Reason, Sample, Tag

TAG = Tag(name="press.force", address=None, scale=0.1, offset=-5, unit="kN", low=0, high=10)
SOFT = {Reason.NONE, Reason.DEVICE_UNCERTAIN, Reason.ROUNDED}


def graded(tag: Tag, raw: float, reason: Reason = Reason.NONE) -> Sample:
    return Grader([tag]).grade(np.array([raw]), np.array([reason], np.uint8), at=7)[0]


@pytest.mark.parametrize(
    ("raw", "reason", "value", "quality", "says"),
    [
        (100, Reason.NONE, 5.0, Quality.GOOD, Reason.NONE),
        (50, Reason.NONE, 0.0, Quality.GOOD, Reason.NONE),
        (150, Reason.NONE, 10.0, Quality.GOOD, Reason.NONE),
        (49, Reason.NONE, -0.1, Quality.UNCERTAIN, Reason.OUT_OF_RANGE),
        (151, Reason.NONE, 10.1, Quality.UNCERTAIN, Reason.OUT_OF_RANGE),
        (math.nan, Reason.NONE, math.nan, Quality.BAD, Reason.NOT_FINITE),
        (math.inf, Reason.NONE, math.nan, Quality.BAD, Reason.NOT_FINITE),
        (-math.inf, Reason.NONE, math.nan, Quality.BAD, Reason.NOT_FINITE),
        (100, Reason.DEVICE_REFUSED, math.nan, Quality.BAD, Reason.DEVICE_REFUSED),
        (100, Reason.DEVICE_UNCERTAIN, 5.0, Quality.UNCERTAIN, Reason.DEVICE_UNCERTAIN),
        (999, Reason.DEVICE_UNCERTAIN, 94.9, Quality.UNCERTAIN, Reason.DEVICE_UNCERTAIN),
        (math.inf, Reason.DEVICE_UNCERTAIN, math.nan, Quality.BAD, Reason.DEVICE_UNCERTAIN),
    ],
)
def test_a_raw_value_becomes_a_sample(
    raw: float, reason: Reason, value: float, quality: Quality, says: Reason
) -> None:
    sample = graded(TAG, raw, reason)
    assert sample.value == pytest.approx(value, nan_ok=True)
    assert (sample.quality, sample.reason, sample.at) == (quality, says, 7)


def test_a_value_that_its_scale_makes_infinite_is_bad() -> None:
    assert graded(Tag(name="a", address=None, scale=1e10), 1e305).reason is Reason.NOT_FINITE


SWITCH = Tag(name="a.state", address=None, labels=((0, "off"), (1, "on"), (2**60 + 1, "far")))


@pytest.mark.parametrize(
    ("value", "exact", "means"),
    [
        (0.0, None, "off"),
        (-0.0, None, "off"),
        (1.0, None, "on"),
        (0.9, None, None),
        (1.5, None, None),
        (-0.5, None, None),
        (2.0, None, None),
        (float(2**60), 2**60, 2**60),
        (float(2**60), 2**60 + 1, "far"),
        (1.0, "x", "x"),  # a text, whose value is its length
    ],
)
def test_a_label_is_one_numbers_alone(value: float, exact: int | str | None, means: int | str | None) -> None:
    assert SWITCH.meaning(Sample(value, Quality.GOOD, Reason.NONE, 0, exact)) == means


def test_what_is_bad_has_no_label() -> None:
    assert SWITCH.meaning(Sample(math.nan, Quality.BAD, Reason.TIMEOUT, 0)) is None


numbers = st.floats(allow_nan=True, allow_infinity=True)
finite = st.floats(allow_nan=False, allow_infinity=False)
rows = st.tuples(numbers, st.sampled_from(Reason), finite, finite, numbers, numbers)


@given(st.lists(rows, min_size=1, max_size=30))
def test_a_value_is_nan_exactly_where_it_is_bad(
    rows: list[tuple[float, Reason, float, float, float, float]],
) -> None:
    tags = [
        Tag(name=str(i), address=None, scale=scale, offset=offset, low=low, high=high)
        for i, (_, _, scale, offset, low, high) in enumerate(rows)
    ]
    raw = np.array([row[0] for row in rows])
    reason = np.array([row[1] for row in rows], np.uint8)
    before = raw.copy(), reason.copy()
    columns = Grader(tags).grade(raw, reason, at=1)
    np.testing.assert_array_equal((raw, reason), before)
    for row, ((_, asked, *_), tag) in enumerate(zip(rows, tags, strict=True)):
        sample = columns[row]
        assert math.isnan(sample.value) == (sample.quality is Quality.BAD)
        assert not math.isinf(sample.value)
        assert (sample.quality is Quality.GOOD) == (sample.reason is Reason.NONE)
        if asked not in SOFT:
            assert (sample.quality, sample.reason) == (Quality.BAD, asked)
        if sample.quality is Quality.GOOD:
            assert not sample.value < tag.low
            assert not sample.value > tag.high


def test_what_a_number_cannot_say_stands_beside_it_only_where_it_is_true() -> None:
    tags = [
        Tag(name="text", address=None),
        Tag(name="refused", address=None),
        Tag(name="counter", address=None),
        Tag(name="scaled", address=None, scale=0.1),
    ]
    reason = np.array([Reason.NONE, Reason.DEVICE_REFUSED, Reason.ROUNDED, Reason.ROUNDED], np.uint8)
    exact = {0: "pump", 1: "old", 2: 2**53 + 1, 3: 2**53 + 1}
    columns = Grader(tags).grade(np.array([4, 4, 2.0**53, 2.0**53]), reason, 1, exact)
    assert [columns[row].exact for row in range(4)] == ["pump", None, 2**53 + 1, "900719925474099.3"]
    assert [columns[row].quality for row in range(4)] == [
        Quality.GOOD,
        Quality.BAD,
        Quality.UNCERTAIN,
        Quality.UNCERTAIN,
    ]
    assert columns.frozen()[0].exact == "pump"


def test_a_label_is_what_a_value_of_an_enumeration_means() -> None:
    tag = Tag(name="state", address=None, labels=((1, "on"),))
    grader = Grader([tag])
    for raw, meaning in ((1.0, "on"), (2.0, None), (math.nan, None)):
        assert tag.meaning(grader.grade(np.array([raw]), np.zeros(1, np.uint8), 1)[0]) == meaning


def test_columns_of_a_dead_device_say_nothing_but_why() -> None:
    columns = Columns.bad(3, Reason.NO_LINK, at=9)
    assert len(columns) == 3
    for row in range(3):
        sample = columns[row]
        assert math.isnan(sample.value)
        assert (sample.quality, sample.reason, sample.at) == (Quality.BAD, Reason.NO_LINK, 9)


def test_a_frozen_image_never_changes() -> None:
    columns = Grader([TAG]).grade(np.array([100.0]), np.zeros(1, np.uint8), at=0)
    image = columns.frozen()
    columns.value[0], columns.quality[0], columns.reason[0], columns.at[0] = 1, 0, 1, 1
    assert image[0] == Sample(5.0, Quality.GOOD, Reason.NONE, 0)
    for column in (image.value, image.quality, image.reason, image.at):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def test_the_worst_quality_is_the_smallest() -> None:
    assert min(Quality.GOOD, Quality.UNCERTAIN, Quality.BAD) is Quality.BAD
    assert min(Quality.GOOD, Quality.UNCERTAIN) is Quality.UNCERTAIN
