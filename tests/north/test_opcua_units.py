"""Units have the numbers that others give them, and only such that a configuration may name have one."""

import json
import subprocess

import npm_peer
import pytest

from edge_agent.config.units import is_unit
from edge_agent.north.opcua.units import _BY_NAME, NAMESPACE, code_of, information


def test_another_server_has_the_same_numbers() -> None:
    program = npm_peer.install("opcua") / "units.js"
    said = subprocess.run(["node", str(program)], capture_output=True, text=True, check=True, timeout=60)
    theirs = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("[")]
    both = {text: number for text, number in theirs if code_of(text or "")}
    assert len(both) > 35
    assert {text: information(text).UnitId for text in both} == both


def test_every_unit_is_one_that_a_tag_may_have() -> None:
    assert [name for name in _BY_NAME if not is_unit(name)] == []


WRITTEN = {
    "CEL": "degC °C Cel ℃",
    "RPM": "rpm U/min",
    "MQH": "m3/h m³/h m^3/h m**3/h",
    "NU": "N·m N.m N*m Nm",
    "KWH": "kW.h kWh",
    "4H": "µm um",
    "B49": "kΩ kOhm",
    "C94": "1/min {pulses}/min",
    "C97": "s⁻¹ 1/s",
    "C16": "mm/s",
    "P1": "%",
    "": "pieces W/(m2.K) M3/H",
}


@pytest.mark.parametrize(("code", "text"), [(c, t) for c, texts in WRITTEN.items() for t in texts.split()])
def test_a_unit_is_found_however_it_is_written(code: str, text: str) -> None:
    assert code_of(text) == code


def test_the_number_is_made_of_the_code() -> None:
    """As OPC 10000-8, 5.6.3 has it for its own example."""
    known, unknown = information("mm/s"), information("pieces")
    assert known.UnitId == (ord("C") << 16) + (ord("1") << 8) + ord("6")
    assert (known.NamespaceUri, known.DisplayName.Text) == (NAMESPACE, "mm/s")
    assert (unknown.UnitId, unknown.NamespaceUri, unknown.DisplayName.Text) == (-1, None, "pieces")
