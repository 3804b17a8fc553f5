"""The Modbus TCP driver against a pymodbus server, which packs typed values by itself."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from modbus_tcp import modbus_tcp, tag
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_agent.core.tags import Reason

pytestmark = pytest.mark.sockets


@pytest_asyncio.fixture
async def pymodbus_port() -> AsyncIterator[int]:
    """A pymodbus server that packs typed values itself; what is not listed is an illegal address."""
    holding = [
        SimData(0, values=[-1.5, 1e20], datatype=DataType.FLOAT32),
        SimData(4, values=[-70000], datatype=DataType.INT32),
        SimData(6, values=[2**40], datatype=DataType.UINT64),
        SimData(10, values=[-1.1], datatype=DataType.FLOAT64),
        SimData(20, values=[-2, 300], datatype=DataType.INT16),
        SimData(60, values=[9], datatype=DataType.REGISTERS),
    ]
    server = ModbusTcpServer(context=[SimDevice(7, simdata=holding)], address=("127.0.0.1", 0))
    await server.listen()
    assert isinstance(server.transport, asyncio.Server)
    yield server.transport.sockets[0].getsockname()[1]
    await server.shutdown()


async def test_types_are_read_as_pymodbus_packs_them(pymodbus_port: int) -> None:
    driver = modbus_tcp("127.0.0.1", pymodbus_port, unit=7, max_gap=0)
    tags = [
        tag("holding", 0, "float32"),
        tag("holding", 2, "float32"),
        tag("holding", 4, "int32"),
        tag("holding", 6, "uint64"),
        tag("holding", 10, "float64"),
        tag("holding", 20, "int16"),
        tag("holding", 21, "int16"),
        tag("holding", 59),
        tag("holding", 60),
    ]
    await driver.connect()
    columns = await driver.read(driver.plan_read(tags))
    expected = [-1.5, struct.unpack("f", struct.pack("f", 1e20))[0], -70000, 2**40, -1.1, -2, 300]
    assert columns.value[:7].tolist() == expected
    assert columns.reason.tolist() == [Reason.NONE] * 7 + [Reason.QUARANTINED, Reason.NONE]
    assert columns.value[8] == 9
    await driver.close()


async def test_another_unit_is_not_answered_for(pymodbus_port: int) -> None:
    driver = modbus_tcp("127.0.0.1", pymodbus_port, unit=8)
    await driver.connect()
    columns = await driver.read(driver.plan_read([tag("holding", 60)]))
    assert columns[0].reason is Reason.DEVICE_REFUSED
    await driver.close()
