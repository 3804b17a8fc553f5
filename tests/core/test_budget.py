"""The poll budget by hand: bus time, waste, bursts and the age of values."""

import numpy as np
import pytest

from edge_agent.core.budget import Load, oldest, per_link
from edge_agent.core.readplan import Block, Cost, Limits, ascii_cost, plan_blocks, rtu_cost, silence
from edge_agent.core.registers import Address

COST = Cost(request=0.01, register=0.001)


def registers(*offsets: int) -> list[Block]:
    addresses = [Address(table="holding", offset=offset, type="uint16") for offset in offsets]
    return plan_blocks(addresses, Limits(max_gap=8))


def load(device: str, period: float, blocks: list[Block], link: str = "bus") -> Load:
    return Load(device, link, period, blocks, COST)


def test_a_gap_that_is_read_over_is_wasted_and_costs_time() -> None:
    bridged = load("a", 1.0, registers(0, 1, 5))
    assert bridged.wasted == 3
    assert bridged.bus == pytest.approx(0.01 + 6 * 0.001)
    apart = load("a", 1.0, registers(0, 1, 50))
    assert (len(apart.blocks), apart.wasted) == (2, 0)
    assert apart.bus == pytest.approx(2 * 0.01 + 3 * 0.001)


def test_sixteen_bits_take_the_time_of_a_register() -> None:
    bits = Block("coil", 0, 32, np.arange(32))
    assert load("a", 1.0, [bits]).bus == pytest.approx(0.01 + 2 * 0.001)


def test_classes_of_one_link_add_up_and_of_two_do_not() -> None:
    fast, slow = load("a", 0.1, registers(0)), load("b", 1.0, registers(0, 50))
    other = load("c", 1.0, registers(0), link="other")
    bus, alone = per_link([fast, slow, other])
    assert (bus.link, alone.link) == ("bus", "other")
    assert bus.requests == pytest.approx(10 + 2)
    assert bus.share == pytest.approx(0.11 + 0.022)
    assert bus.burst == pytest.approx(0.011 + 0.022)
    assert oldest(slow, bus) == pytest.approx(1.0 + 0.033)
    assert alone.share == pytest.approx(0.011)


def test_a_serial_line_is_what_its_characters_take() -> None:
    """At 9600 baud: 8 + 5 characters and 2 registers of 2 bytes, 11 bits each, and two silences of 3.5."""
    cost = rtu_cost(9600, turnaround=0.0)
    assert cost.request + 2 * cost.register == pytest.approx((13 + 4 + 7) * 11 / 9600)
    assert silence(115_200) == 1.75e-3
    assert ascii_cost(9600, 0.0).register == pytest.approx(40 / 9600)
