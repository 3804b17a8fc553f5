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
    best = explain({"input": [low, high, 0, 0]}, 21.53, precision("21.53"))[0]
    assert (best.type, best.order, best.scale) == ("float32", "CDAB", 1.0)


def test_a_scaled_integer_is_found() -> None:
    found = explain({"input": [215]}, 21.5, precision("21.5"))
    assert ("int16", "AB", 0.1) in {(e.type, e.order, e.scale) for e in found}


def test_nothing_explains_what_is_not_there() -> None:
    assert explain({"input": [0, 0, 0, 0]}, 21.5, 0.05) == []
    assert explain({"holding": [], "input": []}, 0.0, 0.5) == []


def test_the_plainest_of_both_tables_comes_first_and_of_the_plain_the_most_exact() -> None:
    """Holding has 21.5 scaled and 21.54 in swapped words, input 21.46 and 21.5 as they should be."""
    swapped = words(struct.pack(">f", 21.54))[::-1]
    assert [(e.table, e.type, e.order, e.scale) for e in explain({"holding": [215]}, 21.5, 0.05)][:2] == [
        ("holding", "int16", "AB", 0.1),
        ("holding", "uint16", "AB", 0.1),
    ]
    held = {"holding": [215, *swapped], "input": words(struct.pack(">f", 21.46))}
    assert (explain(held, 21.5, 0.05)[0].table, explain(held, 21.5, 0.05)[0].type) == ("input", "float32")
    held = {"holding": words(struct.pack(">f", 21.46)), "input": words(struct.pack(">f", 21.5))}
    assert [e.table for e in explain(held, 21.5, 0.05)] == ["input", "holding"]
    held = {"holding": swapped, "input": words(struct.pack(">f", 21.5))[::-1]}
    assert [e.table for e in explain(held, 21.5, 0.05) if e.type == "float32"] == ["input", "holding"]


def test_a_rare_type_comes_after_a_usual_one() -> None:
    """0x0015 is 21, and 15 in decimal digits; 0x0009 is 9 in both."""
    assert [e.type for e in explain({"input": [9]}, 9, 0.5) if e.scale == 1] == ["int16", "uint16", "bcd16"]
    assert explain({"input": [0x15]}, 15, 0.5)[0].type == "bcd16"


@pytest.mark.parametrize(("text", "half"), [("21.5", 0.05), ("3", 0.5), ("1e3", 500), ("-0.25", 0.005)])
def test_the_tolerance_is_half_of_the_last_digit(text: str, half: float) -> None:
    assert precision(text) == pytest.approx(half)


@pytest.mark.parametrize("text", ["nan", "inf", "much", ""])
def test_what_no_display_shows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        precision(text)


@given(st.lists(st.integers(0, 65535), max_size=4), st.floats(-1e6, 1e6), st.floats(1e-6, 10))
def test_whatever_is_found_is_within_the_tolerance(held: list[int], value: float, tolerance: float) -> None:
    for explanation in explain({"holding": held}, value, tolerance):
        assert abs(explanation.value - value) <= tolerance
