"""Recorded history on the PLC's inputs, in virtual time and over the wire."""

import math

import pytest
from click.testing import CliRunner
from pymodbus.client import ModbusTcpClient

from edge_agent.plant.__main__ import main
from edge_agent.plant.playback import BadRecording, Playback, load
from edge_agent.plant.plc import Program
from edge_agent.plant.process import PlantProcess
from edge_agent.plant.station import IllegalValue, Station

ROWS = [(1.5, -2.0), (2.5, -3.0), (3.5, -4.0)]
BEFORE = 0xFFFFFFFF


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "recording.csv"
    path.write_text(
        "datetime;Current;Volume Flow RateRMS\n2020-02-08;1.5;-2\n2020-02-09;2.5;-3\n2020-02-10;3.5;-4\n"
    )
    return path


def shown(station, elapsed):
    station.cycle(elapsed)
    values = tuple(station.memory.get(point) for point in station.source.points)
    return values, int(station.memory["playback_row"])


def test_rows_follow_each_other_at_the_period_and_the_last_one_stays():
    station = Station(Playback(["a", "b"], ROWS, period=0.5), Program())
    seen = [shown(station, t / 10) for t in (0, 4, 5, 9, 10, 14, 15, 900)]
    assert [row for _, row in seen] == [0, 0, 1, 1, 2, 2, 2, 2]
    assert [values for values, _ in seen[::2]] == [ROWS[0], ROWS[1], ROWS[2], ROWS[2]]


def test_the_first_row_is_held_before_playback_starts():
    station = Station(Playback(["a", "b"], ROWS, period=0.1, hold_first=2.0), Program())
    assert shown(station, 0.0) == (ROWS[0], BEFORE)
    assert shown(station, 1.9) == (ROWS[0], BEFORE)
    assert shown(station, 2.0) == (ROWS[0], 0)
    assert shown(station, 2.1) == (ROWS[1], 1)


def test_by_hand_only_the_next_rows_number_advances_it():
    station = Station(Playback(["a", "b"], ROWS, stepped=True), Program())
    assert shown(station, 100.0) == (ROWS[0], BEFORE)
    for number in range(3):
        for wrong in (number + 1, (number - 1) & 0xFFFF):
            with pytest.raises(IllegalValue):
                station.write("holding", 902, [wrong])
        station.write("holding", 902, [number])
        assert station.memory["playback_row"] == number
        assert shown(station, 200.0) == (ROWS[number], number)
    with pytest.raises(IllegalValue):
        station.write("holding", 902, [3])
    assert shown(station, 300.0) == (ROWS[2], 2)


def test_row_numbers_wrap_at_a_word_and_the_row_register_does_not():
    station = Station(Playback(["a"], [(float(i),) for i in range(65538)], stepped=True), Program())
    for number in range(65538):
        station.write("holding", 902, [number & 0xFFFF])
    assert shown(station, 0.0) == ((65537.0,), 65537)


def test_a_wide_row_takes_the_heartbeats_place_and_a_narrow_one_leaves_it():
    narrow = Station(Playback(list("abcdef"), [(9.0,) * 6]), Program())
    wide = Station(Playback(list("abcdefg"), [(9.0,) * 7]), Program())
    narrow.cycle(0.0)
    narrow.cycle(0.1)
    assert narrow.memory["plc_heartbeat"] == 2
    assert shown(wide, 0.0)[0] == (9.0,) * 7


def test_a_column_named_vibration_feeds_the_plcs_own_limit():
    station = Station(Playback(["vibration"], [(3.0,), (12.0,)], period=0.1), Program())
    assert not station.cycle(0.0).lamp
    assert station.cycle(0.1).lamp


def test_columns_are_chosen_by_name_or_by_being_numbers(recording, tmp_path):
    assert load(recording) == (["Current", "Volume Flow RateRMS"], ROWS)
    assert load(recording, ["Volume Flow RateRMS"]) == (["Volume Flow RateRMS"], [(-2.0,), (-3.0,), (-4.0,)])
    commas = tmp_path / "commas.csv"
    commas.write_text("a, b\n1,\n2,4\n")
    names, rows = load(commas, ["b", "a"])
    assert names == ["b", "a"]
    assert math.isnan(rows[0][0])
    assert rows[1] == (4.0, 2.0)


@pytest.mark.parametrize(
    ("text", "columns", "complaint"),
    [
        ("a,b\n", [], "no rows"),
        ("a,b\n1,2\n", ["c"], "no column c; it has a, b"),
        ("a,b\n1,2\n1,x\n", ["b"], "row 1, column b: 'x' is not a number"),
        ("a,b\n1,2\n3\n", ["b"], "row 1 has 1 cells of 2"),
        (",".join(f"c{i}" for i in range(26)) + "\n" + ",".join("1" * 26) + "\n", [], "26 columns"),
    ],
)
def test_a_recording_that_cannot_be_played_is_refused_with_the_place(tmp_path, text, columns, complaint):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(BadRecording, match=complaint):
        load(path, columns)
    outcome = CliRunner().invoke(main, ["serve", "--playback", str(path), "--columns", ",".join(columns)])
    assert outcome.exit_code == 2


def test_a_client_steps_through_a_recording_row_by_row(recording):
    with PlantProcess("--no-opcua", "--playback", str(recording), "--step-register") as plant:
        assert plant.opcua_port is None
        client = ModbusTcpClient("127.0.0.1", port=plant.modbus_port, retries=0)
        assert client.connect()
        for number, expected in enumerate(ROWS):
            assert not client.write_register(902, number, device_id=1).isError()
            registers = client.read_input_registers(0, count=4, device_id=1).registers
            assert client.convert_from_registers(registers, client.DATATYPE.FLOAT32) == list(expected)
            row = client.read_input_registers(200, count=2, device_id=1).registers
            assert row == [0, number]
        assert client.write_register(902, 3, device_id=1).exception_code == 3
        assert client.write_register(902, 0, device_id=1).exception_code == 3
        assert client.write_register(900, 1, device_id=1).exception_code == 3
        client.close()
