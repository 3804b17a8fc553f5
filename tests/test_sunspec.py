"""SunSpec against a server that packs the models itself: pymodbus."""

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from click.testing import CliRunner
from modbus_proxy import Proxy
from modbus_tcp import modbus_tcp
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_agent.cli import main
from edge_agent.config.fields import Place
from edge_agent.config.tables import ModbusTable
from edge_agent.config.tags import tags_of
from edge_agent.core.readplan import Range
from edge_agent.core.tags import Quality, Reason
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.sunspec import Model, models

pytestmark = pytest.mark.sockets

BASE = 40002
"""Where model 1 begins when the map begins at 40000."""


def text(value: str, length: int) -> list[int]:
    data = value.encode().ljust(length, b"\0")
    return [int.from_bytes(data[i : i + 2]) for i in range(0, length, 2)]


COMMON = [
    1,
    66,
    *text("Seed", 32),
    *text("S 25", 32),
    *text("", 16),
    *text("1.2", 16),
    *text("77", 32),
    9,
    0x8000,
]
INVERTER = [
    *(103, 50, 345, 115, 114, 0xFFFF, 0xFFFF),  # A ... A_SF -1
    *(0xFFFF, 0xFFFF, 0xFFFF, 2301, 2302, 2303, 0xFFFF),  # voltages, V_SF -1
    *(65531, 1, 4998, 0xFFFE),  # -5 W times 10, 49.98 Hz
    *(0x8000, 0x8000, 0x8000, 0x8000, 0x8000, 0x8000),  # VA, VAr, PF are not there
    *(60, 8980, 0, 0xFFFF, 0x8000, 0xFFFF, 0x8000, 0x8000, 0x8000),
    *(251, 0x8000, 0x8000, 0x8000, 0xFFFF),  # 25.1 degrees
    *(4, 0xFFFF, 0, 0, 0, 0, *([0xFFFF] * 8)),
]
REGISTERS = [0x5375, 0x6E53, *COMMON, *INVERTER, 0xFFFF]


async def served(registers: list[int], start: int) -> ModbusTcpServer:
    data = [SimData(start, values=registers, datatype=DataType.REGISTERS)]
    server = ModbusTcpServer(context=[SimDevice(1, simdata=data)], address=("127.0.0.1", 0))
    await server.listen()
    return server


def port_of(server: ModbusTcpServer) -> int:
    assert isinstance(server.transport, asyncio.Server)
    return int(server.transport.sockets[0].getsockname()[1])


async def connected(server: ModbusTcpServer) -> Modbus:
    driver = modbus_tcp("127.0.0.1", port_of(server))
    await driver.connect()
    return driver


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ModbusTcpServer]:
    server = await served(REGISTERS, BASE - 2)
    yield server
    await server.shutdown()


@pytest_asyncio.fixture
async def inverter(server: ModbusTcpServer) -> AsyncIterator[Modbus]:
    driver = await connected(server)
    yield driver
    await driver.close()


async def test_the_chain_of_models_is_walked_to_its_end(inverter: Modbus) -> None:
    assert await models(inverter) == [
        Model(number=1, base=BASE, length=66),
        Model(number=103, base=BASE + 68, length=50),
    ]


async def test_a_profile_at_the_base_that_was_found_reads_the_inverter(inverter: Modbus) -> None:
    values, reasons, said = {}, {}, {}
    for model in await models(inverter):
        place = Place(Path("config.toml"))
        table = ModbusTable(driver="modbus-tcp", tags=f"profile:sunspec-{model.number}", base=model.base)
        tags = [scanned.tag for scanned in tags_of("pv", table, place)]
        assert place.errors == []
        columns = await inverter.read(inverter.plan_read(tags))
        for row, tag in enumerate(tags):
            name = tag.name.removeprefix("pv.")
            values[name], reasons[name] = columns[row].value, columns[row].reason
            said[name] = tag.meaning(columns[row])
            assert (columns[row].quality is Quality.BAD) == (columns[row].reason is not Reason.NONE)
    assert (said["Mn"], said["Md"], said["Opt"], said["Vr"], said["SN"]) == ("Seed", "S 25", "", "1.2", "77")
    assert (values["A"], values["AphB"], values["PhVphC"]) == (34.5, 11.4, 230.3)
    assert (values["W"], values["Hz"], values["WH"], values["TmpCab"]) == (
        -50,
        49.98,
        60 * 65536 + 8980,
        25.1,
    )
    assert said["St"] == "MPPT"
    for name in ("AphC", "PPVphAB", "VA", "VAr_SF", "PF", "DCA", "TmpSnk", "StVnd", "EvtVnd4"):
        assert reasons[name] is Reason.NO_VALUE, name


async def test_the_command_shows_the_bases(server: ModbusTcpServer, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[device.pv]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port_of(server)}\n')
    ended = await asyncio.to_thread(CliRunner().invoke, main, ["sunspec", str(config), "pv"])
    assert ended.output.splitlines() == [
        "model 1     base = 40002 66 registers",
        "model 103   base = 40070 50 registers",
    ]
    ended = await asyncio.to_thread(CliRunner().invoke, main, ["sunspec", str(config), "pw"])
    assert (ended.exit_code, ended.output) == (1, "there is no device 'pw'; known: pv\n")


async def test_what_is_forbidden_is_never_asked_for(server: ModbusTcpServer) -> None:
    proxy = await asyncio.to_thread(Proxy(port_of(server)).__enter__)
    driver = modbus_tcp("127.0.0.1", proxy.port)
    await driver.connect()
    with pytest.raises(LookupError, match=r"at holding 40070, in forbidden .*; before it: model 1 at 40002"):
        await models(driver, [Range("holding", 40071, 40200)])
    asked = [struct.unpack(">HH", request[1:5]) for request in proxy.requests]
    assert (BASE, 2) in asked
    assert all(start + count <= 40071 for start, count in asked)
    before = len(proxy.requests)
    with pytest.raises(LookupError, match=r"no 'SunS' at holding 0: .*; 40000, 50000 not asked for"):
        await models(driver, [Range("holding", 40001, 50000)])
    assert all(struct.unpack(">HH", request[1:5]) < (40000, 0) for request in proxy.requests[before:])
    await driver.close()
    await asyncio.to_thread(proxy.__exit__, None, None, None)


async def test_the_command_keeps_to_what_is_forbidden(server: ModbusTcpServer, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'[device.pv]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port_of(server)}\n'
        'forbidden = ["holding 40070-40080"]\n'
    )
    ended = await asyncio.to_thread(CliRunner().invoke, main, ["sunspec", str(config), "pv"])
    assert ended.exit_code == 1
    assert "goes on at holding 40070, in forbidden holding 40070-40080" in ended.output


@pytest.mark.parametrize(
    ("registers", "start", "says"),
    [
        ([1, 2, 3], 40000, "no 'SunS'"),
        ([0x5375, 0x6E53, 1, 66, 0], 40000, "breaks at holding 40070"),
        ([0x5375, 0x6E53, *[1, 0] * 300], 0, "no end; 200 models up to holding 402"),
    ],
)
async def test_a_chain_that_is_none_is_told(registers: list[int], start: int, says: str) -> None:
    server = await served(registers, start)
    driver = await connected(server)
    with pytest.raises(LookupError, match=says):
        await models(driver)
    await driver.close()
    await server.shutdown()
