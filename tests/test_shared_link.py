"""Devices that share a serial line, from the configuration to the values that `read` prints."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice
from serial_line import joined

pytestmark = pytest.mark.sockets

CONFIG = """
[agent]
state = "state"
[link.bus]
transport = "{transport}"
serial = "{port}"
baud = 115200
parity = "none"
data_bits = 8
"""
DEVICE = """
[device.meter{unit}]
driver = "modbus"
link = "bus"
unit = {unit}
timeout = "300ms"
tags = [ {{ name = "energy", table = "holding", address = 0, type = "uint16" }} ]
"""


@pytest.mark.parametrize("transport", ["rtu", "ascii"])
async def test_read_asks_every_unit_on_the_line(transport: str, tmp_path: Path) -> None:
    """Units 1, 2 and 4 are there, unit 3 is not."""
    with joined(tmp_path) as (ours, theirs):
        config = tmp_path / "line.toml"
        tables = [DEVICE.format(unit=unit) for unit in (1, 2, 3, 4)]
        config.write_text(CONFIG.format(transport=transport, port=ours) + "".join(tables), encoding="utf-8")
        units = [
            SimDevice(unit, simdata=[SimData(0, values=[100 * unit], datatype=DataType.REGISTERS)])
            for unit in (1, 2, 4)
        ]
        server = ModbusSerialServer(
            context=units, port=str(theirs), baudrate=115200, framer=FramerType(transport)
        )
        await server.serve_forever(background=True)
        reading = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge_agent", "read", "--json", str(config)),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await asyncio.wait_for(reading.communicate(), 60)
        await server.shutdown()
    found = {reading["name"]: reading["value"] for reading in json.loads(said)}
    assert found == {
        "meter1.energy": 100,
        "meter2.energy": 200,
        "meter3.energy": None,
        "meter4.energy": 400,
    }
