"""The poll budget by hand: waste, bursts and the age of values."""

import math

import pytest

from edge_agent.core.budget import Load, oldest, per_link, wasted, written_every
from edge_agent.core.readplan import Block, Limits, plan_blocks
from edge_agent.core.registers import Address


def blocks(*addresses: tuple[int, str]) -> list[Block]:
    found = [Address(table="holding", offset=offset, type=kind) for offset, kind in addresses]
    return plan_blocks(found, Limits(max_gap=8))


def load(period: float, *times: float, link: str = "bus", least: float = 0.0) -> Load:
    return Load(link, period, times, least)


def test_a_gap_that_is_read_over_is_wasted_and_one_between_requests_is_not() -> None:
    assert wasted(blocks((0, "uint16"), (1, "uint16"), (5, "uint16"))) == 3
    assert wasted(blocks((0, "uint16"), (1, "uint16"), (50, "uint16"))) == 0


def test_values_that_overlap_waste_nothing_and_their_registers_count_once() -> None:
    assert wasted(blocks((0, "uint32"), (1, "uint32"))) == 0
    assert wasted(blocks((0, "uint64"), (1, "uint16"), (2, "uint64"), (9, "uint16"))) == 3
    assert wasted(blocks((0, "uint32"), (0, "float32"), (1, "uint16"))) == 0


def test_classes_of_one_link_add_up_and_of_two_do_not() -> None:
    fast, slow = load(0.1, 0.011, least=0.001), load(1.0, 0.011, 0.011, least=0.002)
    other = load(1.0, 0.011, link="other")
    bus, alone = per_link([fast, slow, other])
    assert (bus.link, alone.link) == ("bus", "other")
    assert bus.requests == pytest.approx(10 + 2)
    assert bus.share == pytest.approx(0.11 + 0.022)
    assert bus.least == pytest.approx(0.01 + 0.002)
    assert bus.burst == pytest.approx(0.011 + 0.022)
    assert alone.share == pytest.approx(0.011)


def test_a_value_gets_older_the_sooner_its_request_goes() -> None:
    """Of three requests the second may go after 20 ms of one scan, and after all others in the next."""
    of_three, other = load(1.0, 0.02, 0.03, 0.05), load(0.5, 0.1)
    (bus,) = per_link([of_three, other])
    ages = [oldest(of_three, bus, request) for request in range(3)]
    assert ages == pytest.approx([1.2, 1.18, 1.15])
    assert oldest(other, bus) == pytest.approx(0.7)


def test_a_link_that_cannot_keep_up_promises_no_age() -> None:
    full, over = load(0.1, 0.05, 0.05), load(0.1, 0.05, 0.06)
    assert oldest(full, per_link([full])[0]) == pytest.approx(0.2)
    assert oldest(over, per_link([over])[0]) == math.inf


@pytest.mark.parametrize(
    ("period", "heartbeat", "every"),
    [(0.1, 0.9, 0.1), (0.8, 0.9, 0.8), (1.0, 0.9, 0.5), (10.0, 0.9, 10 / 12), (10.0, 0.25, 10 / 41)],
)
def test_heartbeats_go_out_between_results(period: float, heartbeat: float, every: float) -> None:
    assert written_every(period, heartbeat) == pytest.approx(every)
