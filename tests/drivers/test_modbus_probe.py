"""`probe` over a serial line, and what it finds of registers that a device does not have."""

import json
import subprocess
import sys
from pathlib import Path

import npm_peer
import pytest
from libmodbus_server import compiled
from modbus_proxy import free_port
from peer_process import serving
from serial_line import joined

from edge_agent.config import links as config
from edge_agent.config import load
from edge_agent.config.tables import ModbusTable
from edge_agent.links import Links
from edge_agent.probing.found import Gap, TableFound, UnitFound
from edge_agent.probing.survey import probe

pytestmark = pytest.mark.sockets


def probed(port: int, most: int = 199) -> UnitFound:
    """Unit 1 of a server, of which everything was asked."""
    table = config.TcpTable(transport="tcp", host="127.0.0.1", port=port)
    found = probe(
        lambda: Links().of(config.Link(name="probe", table=table)),
        [1],
        range(most + 1),
        [],
        rate=1000,
        timeout=2,
        tell=lambda line: None,
    )
    assert found.complete
    (unit,) = found.units
    return unit


def test_a_serial_line_is_probed(tmp_path: Path) -> None:
    line = ["--transport", "rtu", "--baud", "115200", "--parity", "none", "--timeout", "0.5"]
    words = ["--units", "1", "--addresses", "0-9", "--rate", "100", "--json", *line]
    with joined(tmp_path) as (ours, theirs), serving(compiled(), theirs, 1):
        command = [sys.executable, "-m", "edge_agent", "probe", str(ours), *words]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout
    (unit,) = json.loads(out)["units"]
    assert {t["table"]: t["ranges"] for t in unit["tables"]}["holding"] == [[0, 9]]


def test_gaps_that_a_device_fills_are_told_from_those_that_it_refuses() -> None:
    """Within the first 100 a gap of 20 is refused and one of 4 filled; in the second one of 5 is filled."""
    with serving(compiled(), 0, "48-51,80-99,150-154") as port:
        unit = probed(port)
    holding, inputs, *bits = unit.tables
    for table in holding, inputs:
        assert table.ranges == [(0, 47), (52, 79), (100, 199)]
        assert table.gaps == [
            Gap(first=150, last=154, answered=True, fill=[0]),
            Gap(first=48, last=51, answered=True, fill=[0]),
            Gap(first=80, last=99, answered=False),
        ]
    assert [table.gaps for table in bits] == [[], []]
    assert list(unit.keys()) == [
        "max_gap = 123",
        'forbidden = ["holding 80-99", "input 80-99"]',
    ]


def test_a_server_that_refuses_every_gap_has_each_forbidden() -> None:
    program = npm_peer.install("modbus") / "modbus_serial.js"
    with serving("node", program, free_port(), 20, 23) as port:
        unit = probed(port, 149)
    holding, inputs, *_ = unit.tables
    assert holding.ranges == [(0, 19), (24, 149)]
    assert holding.gaps == [Gap(first=20, last=23, answered=False)]
    assert (inputs.ranges, inputs.gaps) == ([(0, 149)], [])
    assert list(unit.keys()) == ["max_registers = 125", "max_gap = 123", 'forbidden = ["holding 20-23"]']


def test_a_meter_that_gives_pairs_of_registers_only_is_found() -> None:
    with serving(compiled(), 0, "pairs") as port:
        holding = probed(port, 99).tables[0]
    assert holding.ranges == [(0, 99)]


def test_a_limit_shorter_than_a_range_is_found() -> None:
    with serving(compiled(), 0, "pairs") as port:
        holding = probed(port, 130).tables[0]
    assert holding.ranges == [(0, 129)]
    assert holding.largest == 124


def test_of_many_holes_the_shortest_says_how_long_a_gap_may_be() -> None:
    ranges = [(n, n + 5) for n in range(0, 200, 10)]
    unit = UnitFound(unit=1, tables=[TableFound(table="input", ranges=ranges)])
    assert list(unit.keys()) == ["max_gap = 3"]


def test_a_hole_that_no_request_can_reach_over_needs_no_line() -> None:
    table = TableFound(table="holding", ranges=[(0, 99), (110, 130), (240, 300)], largest=40)
    unit = UnitFound(unit=1, tables=[table])
    assert list(unit.keys()) == ["max_registers = 40", "max_gap = 38", 'forbidden = ["holding 100-109"]']


def test_the_lines_are_a_device_s_as_check_takes_them(tmp_path: Path) -> None:
    table = TableFound(table="holding", ranges=[(0, 99), (110, 130)], largest=40)
    lines = [
        *UnitFound(unit=1, tables=[table]).keys(),
        'tags = [{ name = "t", table = "holding", address = 5 }]',
    ]
    device = ["[device.d]", 'driver = "modbus-tcp"', 'host = "10.0.0.21"', *lines]
    (tmp_path / "config.toml").write_text("\n".join(["[agent]", 'state = "state"', *device]))
    found = load(tmp_path / "config.toml").devices[0].table
    assert isinstance(found, ModbusTable)
    assert (found.max_registers, found.max_gap, found.forbidden) == (40, 38, ["holding 100-109"])


def test_nothing_served_is_no_line() -> None:
    assert list(UnitFound(unit=1, tables=[TableFound(table="holding")]).keys()) == []
