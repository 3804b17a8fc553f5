"""Bus time: what the frames of this very program take on a line, character by character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.bustime import NETWORK, Cost, Line, silence
from edge_agent.drivers.modbus.frames import Framer
from edge_agent.drivers.modbus.frames.ascii import Ascii
from edge_agent.drivers.modbus.frames.rtu import Rtu

lines = st.builds(Line, st.sampled_from([300, 9600, 19200, 115_200]), st.integers(9, 12), st.booleans())


@given(line=lines, asked=st.binary(min_size=1, max_size=250), answered=st.binary(min_size=1, max_size=250))
def test_an_exchange_takes_the_characters_of_its_frames_and_the_silences(
    line: Line, asked: bytes, answered: bytes
) -> None:
    framer: Framer = Ascii() if line.ascii else Rtu()
    characters = len(framer.encode(0, 1, asked)) + len(framer.encode(0, 1, answered))
    silences = 0.0 if line.ascii else silence(line.baud) + silence(line.baud, line.bits)
    expected = characters * line.bits / line.baud + silences
    assert line.cost(turnaround=0.0).of(len(asked), len(answered)) == pytest.approx(expected)


def test_a_read_at_9600_baud_by_hand() -> None:
    """8 + 5 characters and 2 registers of 2 bytes, 11 bits each, and two silences of 3.5."""
    cost = Line(9600).cost(turnaround=0.0)
    assert cost.request + 2 * cost.register == pytest.approx((13 + 4 + 7) * 11 / 9600)
    assert cost.of(5, 2 + 4) == pytest.approx(cost.request + 2 * cost.register)


def test_a_character_without_parity_and_with_one_stop_bit_is_shorter() -> None:
    eleven, ten = Line(9600, 11).cost(0.0), Line(9600, 10).cost(0.0)
    assert ten.register == pytest.approx(eleven.register * 10 / 11)


def test_silence_is_no_shorter_than_that_of_19200_baud() -> None:
    assert silence(115_200) == silence(38_400) == 1.75e-3
    assert silence(9600) == pytest.approx(3.5 * 11 / 9600)


def test_what_waits_is_slower_and_what_goes_at_once_is_faster() -> None:
    line = Line(9600)
    assert line.cost(0.0, delay=0.02).request - line.cost(0.0).request == pytest.approx(0.02 - silence(9600))
    assert NETWORK.later(0.02).request == pytest.approx(0.021)
    assert Cost(0.004, 0.0).later(0.0, at_once=4).request == pytest.approx(0.001)
