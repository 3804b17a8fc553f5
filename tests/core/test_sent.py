"""From what is typed to what is sent: what was shown can be typed, and gives the same registers back."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.codec import Codec
from edge_agent.core.kinds import KINDS, TIMES, time_text
from edge_agent.core.readplan import DEFAULT_LIMITS, plan_blocks
from edge_agent.core.registers import Address
from edge_agent.core.sent import Sent
from edge_agent.core.shown import shown
from edge_agent.core.tags import Quality, Reason, Sample, Tag
from edge_agent.core.typed import raw, typed

NUMBERS = [name for name in KINDS if name not in TIMES and not name.startswith("bcd")]


def tag(kind: str, **more: float) -> Tag:
    return Tag(name="a", address=Address(table="holding", offset=0, type=kind), **more)


def wire(tag: Tag, value: float | str) -> bytes:
    assert isinstance(tag.address, Address)
    return Codec([tag.address], plan_blocks([tag.address], DEFAULT_LIMITS)).encode([value])[0]


@pytest.mark.parametrize("kind", [name for name in NUMBERS if not KINDS[name].is_float])
@given(
    scale=st.sampled_from(["1", "0.1", "0.001", "-2.5", "10"]),
    offset=st.sampled_from(["0", "-40", "0.5"]),
    data=st.data(),
)
def test_an_integer_that_is_shown_can_be_typed_and_is_the_same_on_the_wire(
    kind: str, scale: str, offset: str, data: st.DataObject
) -> None:
    info = np.iinfo(KINDS[kind].carrier)
    number = data.draw(st.integers(max(int(info.min), -(10**14)), min(int(info.max), 10**14)))
    there = tag(kind, scale=float(scale), offset=float(offset))
    sent = Sent(there, typed(there, shown(there, number * float(scale) + float(offset))))
    assert wire(there, sent.raw) == wire(there, number)


@pytest.mark.parametrize("kind", [name for name in NUMBERS if KINDS[name].is_float])
@given(data=st.data())
def test_a_float_that_is_shown_can_be_typed_and_is_the_same_on_the_wire(
    kind: str, data: st.DataObject
) -> None:
    width = 8 * KINDS[kind].carrier.itemsize
    normal = st.floats(width=width, allow_nan=False, allow_infinity=False, allow_subnormal=False)
    number = data.draw(normal)
    sent = Sent(tag(kind), typed(tag(kind), shown(tag(kind), number)))
    assert wire(tag(kind), sent.raw) == wire(tag(kind), number + 0.0)  # of two zeros the one without a sign


@pytest.mark.parametrize("kind", TIMES)
@given(seconds=st.integers(946_684_800, 4_102_444_799))
def test_a_time_is_typed_as_it_is_shown(kind: str, seconds: int) -> None:
    assert typed(tag(kind), time_text(seconds)) == seconds
    assert Sent(tag(kind), Decimal(seconds)).raw == seconds


@pytest.mark.parametrize(
    "text",
    ["2024-13-01", "2024-02-30", "2024-01", "2024-01-01T25:00", "06:00", "", "NaT", "2024-01-01T06Z"],
)
def test_what_is_no_time_of_a_device_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        typed(tag("time_iec"), text)


def test_milliseconds_are_sent_where_the_type_has_them() -> None:
    value = typed(tag("time_iec"), "2024-02-29T12:34:56.789")
    assert value == Decimal("1709210096.789")
    assert Sent(tag("time_iec"), value).raw == 1709210096.789


@pytest.mark.parametrize(
    ("power", "value", "is_raw"),
    [(0, "7", 7), (-1, "23.5", 235), (-2, "0.07", 7), (3, "-4000", -4), (10, "1e10", 1), (-10, "1e-10", 1)],
)
def test_the_power_of_a_factor_is_taken_out_exactly(power: int, value: str, is_raw: int) -> None:
    assert Sent(tag("int16"), Decimal(value), power).raw == is_raw


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(-10, 10), st.sampled_from(NUMBERS))
def test_any_number_is_sent_or_refused(value: Decimal, power: int, kind: str) -> None:
    try:
        sent = Sent(tag(kind), value, power)
    except ValueError:
        return
    assert math.isclose(float(sent.raw), float(value.scaleb(-power)), rel_tol=1e-12)


@pytest.mark.parametrize("value", ["1e-50", "1e39"])
def test_a_float_that_cannot_be_near_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="does not fit float32"):
        Sent(tag("float32"), Decimal(value))


def test_a_scale_that_was_cut_to_its_digits_gives_the_whole_number() -> None:
    assert raw(tag("uint16", scale=0.3333333333333333), Decimal(1)) == 3


@pytest.mark.parametrize(
    ("back", "there"),
    [
        (Sample(7.0, Quality.GOOD, Reason.NONE, 0), True),
        (Sample(8.0, Quality.GOOD, Reason.NONE, 0), False),
        (Sample(7.0, Quality.GOOD, Reason.NONE, 0, exact=8), False),
        (Sample(math.nan, Quality.BAD, Reason.TIMEOUT, 0), False),
    ],
)
@pytest.mark.parametrize("address", [None, Address(table="holding", offset=0, type="uint16")])
def test_what_is_read_back_is_what_was_sent_or_is_not(
    back: Sample, there: bool, address: Address | None
) -> None:
    assert Sent(Tag(name="a", address=address), Decimal(7)).is_there(back) is there


@pytest.mark.parametrize(
    ("back", "there"), [(0.1, True), (float(np.float32(0.1)), True), (0.1001, False), (0.0, False)]
)
def test_a_node_has_a_float_or_a_double_of_it(back: float, there: bool) -> None:
    sample = Sample(back, Quality.GOOD, Reason.NONE, 0)
    assert Sent(Tag(name="a", address=None), Decimal("0.1")).is_there(sample) is there
