"""What a configuration says of serial lines: the format of a character, and what requests cost by it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from edge_agent.config.fields import Place
from edge_agent.config.links import Link, LinkTable
from edge_agent.config.modbus import links
from edge_agent.config.tables import ModbusTable
from edge_agent.core.bustime import NETWORK, Line
from edge_agent.core.readplan import plan_blocks
from edge_agent.core.registers import Address
from edge_agent.drivers.modbus.wires.serial import Serial
from edge_agent.links import Links, cost_of, limits_of


def table_of(**keys: object) -> LinkTable:
    """The table of a link in order."""
    place = Place(Path("config.toml"))
    found = links({"bus": keys}, place)["bus"]
    assert place.errors == []
    assert found is not None
    return found.table


@pytest.mark.parametrize(
    ("keys", "port", "bits"),
    [
        ({"transport": "rtu"}, ("even", 1, 8), 11),
        ({"transport": "rtu", "parity": "none"}, ("none", 2, 8), 11),
        ({"transport": "rtu", "parity": "none", "stop_bits": 1}, ("none", 1, 8), 10),
        ({"transport": "ascii"}, ("even", 1, 7), 10),
        ({"transport": "ascii", "parity": "none"}, ("none", 2, 7), 10),
        ({"transport": "ascii", "data_bits": 8}, ("even", 1, 8), 11),
        ({"transport": "ascii", "data_bits": 8, "parity": "odd", "stop_bits": 2}, ("odd", 2, 8), 12),
    ],
)
def test_a_port_is_opened_as_the_specification_has_it_and_counted_so(
    keys: Mapping[str, object], port: tuple[str, int, int], bits: int
) -> None:
    """MODBUS over Serial Line V1.02, 2.5.1 and 2.5.2: 8 or 7 data bits, one stop bit, without parity two."""
    table = table_of(serial="/dev/ttyS9", baud=9600, **keys)
    (endpoint,) = Links().of(Link(name="bus", table=table))._endpoints._all
    assert endpoint == Serial("/dev/ttyS9", 9600, *port)
    assert table.line == Line(9600, bits, ascii=keys["transport"] == "ascii")


@pytest.mark.parametrize("transport", ["rtu-over-tcp", "tcp", "udp"])
def test_a_line_behind_a_network_link_costs_what_a_line_costs(transport: str) -> None:
    plain = table_of(transport=transport, host="10.0.0.30")
    line = table_of(transport=transport, host="10.0.0.30", baud=9600, parity="none", stop_bits=1)
    assert (plain.line, cost_of(plain)) == (None, NETWORK)
    assert cost_of(line) == Line(9600, 10).cost()


def test_requests_to_a_line_behind_a_converter_are_planned_for_the_line() -> None:
    """At 9600 baud 20 registers that nobody wants take longer than a second request, on Ethernet not."""
    addresses = [Address(table="holding", offset=offset, type="uint16") for offset in (0, 21)]
    planned = {}
    for baud in (None, 9600):
        link = Link(name="bus", table=table_of(transport="rtu-over-tcp", host="10.0.0.30", baud=baud))
        limits = limits_of(ModbusTable(driver="modbus", link=link, max_gap=124))
        planned[baud] = len(plan_blocks(addresses, limits))
    assert planned == {None: 1, 9600: 2}


def test_silence_and_pipelining_of_a_network_link_count() -> None:
    table = table_of(transport="tcp", host="10.0.0.30", delay="20ms", pipelining=4)
    assert cost_of(table).request == pytest.approx((NETWORK.request + 0.02) / 4)
