"""The memory map: the table is the published one, and values survive their registers."""

import csv
import io
import struct

import pytest
from click.testing import CliRunner

from edge_agent.core import resultblock
from edge_agent.plant.__main__ import main
from edge_agent.plant.registers import (
    POINT,
    POINTS,
    RESULT_ADDRESS,
    RESULT_POINTS,
    RESULT_WORDS,
    SIGNAL_POINTS,
    Point,
    decode,
    encode,
)


def test_the_map_is_the_published_one():
    published = {
        "speed": ("input", 0, "float32", "ABCD", 1),
        "load": ("input", 2, "float32", "ABCD", 1),
        "vibration": ("input", 4, "float32", "ABCD", 1),
        "bearing_temp": ("input", 6, "int16", "", 0.1),
        "motor_temp": ("input", 7, "int16", "", 0.1),
        "current": ("input", 8, "uint16", "", 0.01),
        "flow": ("input", 9, "float32", "CDAB", 1),
        "pressure": ("input", 11, "float32", "ABCD", 1),
        "plc_heartbeat": ("input", 13, "uint16", "", 1),
        "agent_state": ("input", 50, "uint16", "", 1),
        "heartbeat_age": ("input", 51, "uint16", "", 1),
        "fault_lamp": ("input", 52, "uint16", "", 1),
        "accepted_sequence": ("input", 53, "uint16", "", 1),
        "fallbacks": ("input", 54, "uint16", "", 1),
        "running": ("discrete", 0, "bool", "", 1),
        "permissive": ("discrete", 1, "bool", "", 1),
        "lamp_mirror": ("coil", 0, "bool", "", 1),
        "speed_setpoint": ("holding", 100, "uint16", "", 1),
        "fault_code": ("holding", 900, "uint16", "", 1),
        "fault_development": ("holding", 901, "uint16", "", 1),
        "playback_step": ("holding", 902, "uint16", "", 1),
        "playback_row": ("input", 200, "uint32", "", 1),
    }
    ours = {p.name: (p.table, p.address, p.type, p.order, p.scale) for p in POINTS if p not in RESULT_POINTS}
    assert ours == published


def test_no_two_points_share_a_word():
    taken = [(p.table, a) for p in POINTS for a in range(p.address, p.address + p.words)]
    assert len(taken) == len(set(taken))


def test_the_result_block_has_the_agents_layout():
    ours = [(p.name.removeprefix("result_"), p.type, p.address - RESULT_ADDRESS) for p in RESULT_POINTS]
    assert ours == list(resultblock.FIELDS)
    assert resultblock.WORDS == RESULT_WORDS


@pytest.mark.parametrize("point", SIGNAL_POINTS, ids=lambda point: point.name)
def test_a_signal_comes_back_with_its_registers_resolution(point):
    for value in (point.low, point.high, 0.37 * point.high):
        step = point.scale if point.type != "float32" else 1e-6 * point.high
        assert decode(point, encode(point, value)) == pytest.approx(value, abs=step / 2 + 1e-9)


def test_word_order_is_as_the_map_says():
    high, low = struct.unpack(">2H", struct.pack(">f", 36.6))
    assert encode(POINT["flow"], 36.6) == [low, high]
    assert encode(POINT["pressure"], 36.6) == [high, low]


def test_integers_round_and_saturate_at_their_type():
    assert encode(POINT["bearing_temp"], -0.06) == [0xFFFF]
    assert encode(POINT["bearing_temp"], 1e6) == [0x7FFF]
    assert encode(POINT["bearing_temp"], -1e6) == [0x8000]
    assert encode(POINT["current"], -1.0) == [0]
    assert encode(Point("n", "input", 0, "uint32"), 2**40) == [0xFFFF, 0xFFFF]


def test_the_command_prints_the_whole_map():
    printed = CliRunner().invoke(main, ["map"])
    assert printed.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(printed.stdout)))
    assert [row["name"] for row in rows] == [point.name for point in POINTS]
    assert rows[3]["scale"] == "0.1"
