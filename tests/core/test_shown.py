"""Numbers as people read them: every digit that the type holds, and none that it has not."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.registers import Address
from edge_agent.core.shown import shown
from edge_agent.core.tags import Tag

FACTOR = Address(table="holding", offset=9, type="int16")


def tag(kind: str, factor: Address | None = None, **more: float) -> Tag:
    return Tag(name="a", address=Address(table="holding", offset=0, type=kind, factor=factor), **more)


@pytest.mark.parametrize(
    ("tag", "value", "text"),
    [
        (tag("uint32"), 12345678.0, "12345678"),
        (tag("uint64"), 2.0**53, "9007199254740992"),
        (tag("bcd32"), 87654321.0, "87654321"),
        (tag("bool"), 1.0, "1"),
        (tag("float64"), 123456789.5, "123456789.5"),
        (tag("float64"), 0.1 * 3, "0.30000000000000004"),
        (tag("float64"), 1e300, "1e+300"),
        (tag("float32"), float(np.float32(0.1)), "0.1"),
        (tag("float32"), 16777215.0, "16777215"),
        (tag("int16", scale=0.1), 3 * 0.1, "0.3"),
        (tag("int16", scale=0.001), -32768 * 0.001, "-32.768"),
        (tag("int32", scale=0.01, offset=-40.0), 123456789 * 0.01 - 40, "1234527.89"),
        (tag("uint16", scale=1 / 3), 7 / 3, "2.33333333333333"),
        (tag("float32", offset=273.15), float(np.float32(23.4)) + 273.15, "296.55"),
        (tag("float64", scale=0.1), 23.4 * 0.1, "2.34"),
        (tag("int16", FACTOR), 23.5, "23.5"),
        (tag("int32", FACTOR), 123456789e5, "12345678900000"),
        (Tag(name="node", address=None), float(np.float32(21.3)), "21.3"),
        (Tag(name="node", address=None), 1234567.125, "1234567.125"),
        (Tag(name="node", address=None), 1 / 3, "0.3333333333333333"),
        (Tag(name="node", address=None), 2.0**53, "9007199254740992"),
        (Tag(name="node", address=None, scale=0.1), 3 * 0.1, "0.3"),
    ],
)
def test_a_number_has_the_digits_of_its_type(tag: Tag, value: float, text: str) -> None:
    assert shown(tag, value) == text


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float32_comes_back_from_its_text(value: float) -> None:
    assert float(np.float32(shown(tag("float32"), value))) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float64_comes_back_from_its_text(value: float) -> None:
    assert float(shown(tag("float64"), value)) == value


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from(["1", "0.1", "0.01", "0.001", "5", "-0.25"]))
def test_a_scaled_integer_is_its_decimal_number(raw: int, scale: str) -> None:
    assert Decimal(shown(tag("int32", scale=float(scale)), raw * float(scale))) == raw * Decimal(scale)
