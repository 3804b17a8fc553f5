"""Which type explains a number: every one that could have made it, the plainest first."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.explain import explain, precision


def words(data: bytes) -> list[int]:
    return [word for (word,) in struct.iter_unpack(">H", data)]


def test_a_float_with_swapped_words_is_found_first() -> None:
    high, low = words(struct.pack(">f", 21.53))
    best = explain([low, high, 0, 0], 21.53, precision("21.53"))[0]
    assert (best.type, best.order, best.scale) == ("float32", "CDAB", 1.0)


def test_a_scaled_integer_is_found() -> None:
    found = explain([215], 21.5, precision("21.5"))
    assert ("int16", "AB", 0.1) in {(e.type, e.order, e.scale) for e in found}


def test_nothing_explains_what_is_not_there() -> None:
    assert explain([0, 0, 0, 0], 21.5, 0.05) == []
    assert explain([], 0.0, 0.5) == []


@pytest.mark.parametrize(("text", "half"), [("21.5", 0.05), ("3", 0.5), ("1e3", 500), ("-0.25", 0.005)])
def test_the_tolerance_is_half_of_the_last_digit(text: str, half: float) -> None:
    assert precision(text) == pytest.approx(half)


@pytest.mark.parametrize("text", ["nan", "inf", "much", ""])
def test_what_no_display_shows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        precision(text)


@given(st.lists(st.integers(0, 65535), max_size=4), st.floats(-1e6, 1e6), st.floats(1e-6, 10))
def test_whatever_is_found_is_within_the_tolerance(held: list[int], value: float, tolerance: float) -> None:
    for explanation in explain(held, value, tolerance):
        assert abs(explanation.value - value) <= tolerance
