"""Modbus RTU and ASCII on serial lines: servers that others wrote, a liar, a port that goes away."""

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio
from libmodbus_server import compiled
from memory_line import tags
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice
from serial_line import Peer, joined, on_line
from treachery import Treachery

from edge_agent.core.registers import Address
from edge_agent.core.tags import Quality, Reason, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.modbus.driver import Modbus

pytestmark = pytest.mark.sockets


@contextmanager
def libmodbus(port: Path, unit: int) -> Iterator[None]:
    """A libmodbus server on a serial port."""
    command = [str(compiled()), str(port), str(unit)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            assert server.stdout.readline() == "0\n"
            yield
        finally:
            server.kill()


@pytest.fixture
def libmodbus_port(tmp_path: Path) -> Iterator[Path]:
    """A port with a libmodbus RTU server, unit 5, behind it."""
    with joined(tmp_path) as (ours, theirs), libmodbus(theirs, 5):
        yield ours


async def test_every_table_of_libmodbus_is_read_and_written_over_rtu(libmodbus_port: Path) -> None:
    driver = on_line(libmodbus_port, 5)
    await driver.connect()
    bits = [
        Tag(name=f"u.{t}{n}", address=Address(table=t, offset=n, type="bool"))
        for t in ("coil", "discrete")
        for n in range(9)
    ]
    inputs = [Tag(name="u.i", address=Address(table="input", offset=7, type="uint16"))]
    columns = await driver.read(driver.plan_read([*tags(5, range(300)), *bits, *inputs]))
    assert columns.value.tolist() == [*range(300), *2 * [n % 3 == 0 for n in range(9)], 65535 - 7]
    outputs = tags(5, (40, 41))
    await driver.write(driver.plan_write(outputs), [7, 65535])
    assert (await driver.read(driver.plan_read(outputs))).value.tolist() == [7, 65535]
    with pytest.raises(Refused, match="illegal data address"):
        await driver.write(driver.plan_write(tags(5, (2000,))), [1])
    await driver.close()


async def test_a_unit_that_is_not_on_the_line_is_a_timeout_and_harms_no_other(libmodbus_port: Path) -> None:
    there = on_line(libmodbus_port, 5)
    absent = Modbus(there.link, 6, timeout=0.1)
    await there.connect()
    await absent.connect()
    with pytest.raises(LinkDown) as down:
        await absent.read(absent.plan_read(tags(6)))
    assert down.value.reason is Reason.TIMEOUT
    plan = there.plan_read(tags(5, (9,)))
    with suppress(LinkDown):  # libmodbus takes what follows a request to another unit for that one's answer
        await there.read(plan)
    await reconnected(there)
    assert (await there.read(plan)).value[0] == 9
    await absent.close()
    await there.close()


async def test_a_port_can_be_unplugged_and_plugged_in_again(tmp_path: Path) -> None:
    with joined(tmp_path) as (ours, _):
        driver = on_line(ours)
        await driver.connect()
        reading = asyncio.create_task(driver.read(driver.plan_read(tags(1))))
        await asyncio.sleep(0.05)
    with pytest.raises(LinkDown) as down:
        await reading
    assert down.value.reason is Reason.NO_LINK
    with pytest.raises(LinkDown, match="No such file"):
        await driver.connect()
    with joined(tmp_path) as (ours, theirs), libmodbus(theirs, 1):
        await driver.connect()
        assert (await driver.read(driver.plan_read(tags(1, (3,))))).value[0] == 3
        await driver.close()


async def test_a_port_that_is_unplugged_while_nobody_asks_is_told_at_once(tmp_path: Path) -> None:
    with joined(tmp_path) as (ours, theirs), libmodbus(theirs, 1):
        driver = on_line(ours)
        lost: asyncio.Future[LinkDown] = asyncio.get_running_loop().create_future()
        driver.on_lost = lost.set_result
        await driver.connect()
        await driver.read(driver.plan_read(tags(1)))
    assert (await lost).reason is Reason.NO_LINK
    with pytest.raises(LinkDown):
        await driver.read(driver.plan_read(tags(1)))


async def test_a_port_is_ours_alone(tmp_path: Path) -> None:
    with joined(tmp_path) as (ours, _):
        first, second = on_line(ours), on_line(ours)
        await first.connect()
        with pytest.raises(LinkDown, match="lock"):
            await second.connect()
        await first.close()
        await second.connect()
        await second.close()


@pytest_asyncio.fixture(params=["rtu", "ascii"])
async def pymodbus_line(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Modbus]:
    """A driver on a line with a pymodbus server, unit 3."""
    with joined(tmp_path) as (ours, theirs):
        device = SimDevice(3, simdata=[SimData(0, values=list(range(50)), datatype=DataType.REGISTERS)])
        server = ModbusSerialServer(
            context=[device], port=str(theirs), baudrate=115200, framer=FramerType(request.param)
        )
        await server.serve_forever(background=True)
        driver = on_line(ours, 3, transport=request.param)
        await driver.connect()
        yield driver
        await driver.close()
        await server.shutdown()


async def test_pymodbus_answers_over_rtu_and_ascii(pymodbus_line: Modbus) -> None:
    driver = pymodbus_line
    plan = driver.plan_read(tags(3, range(50)))
    for _ in range(5):
        assert (await driver.read(plan)).value.tolist() == list(range(50))
    refused = await driver.read(driver.plan_read(tags(3, (60,))))
    assert refused.quality[0] == Quality.BAD
    await driver.write(driver.plan_write(tags(3, (5, 6))), [500, 600])
    assert (await driver.read(driver.plan_read(tags(3, (5, 6))))).value.tolist() == [500, 600]


async def reconnected(driver: Modbus) -> None:
    await driver.close()
    for _ in range(100):
        with suppress(LinkDown):
            return await driver.connect()
    raise AssertionError("the line never answers")


async def test_no_value_from_a_treacherous_line_is_wrong() -> None:
    """A deadline of 30 ms, answers up to 20 ms later, a line that is left to settle for 120 ms."""
    with Peer(Treachery(random.Random(11), late=(0.031, 0.05))) as peer:
        driver = on_line(peer.port, timeout=0.03, settle=0.12, delay=0.003)
        plans = [driver.plan_read(tags(1, (n,))) for n in range(100)]
        await driver.connect()
        good = 0
        for n in range(100):
            try:
                columns = await driver.read(plans[n])
            except LinkDown:
                await reconnected(driver)
                continue
            if columns.quality[0] == Quality.GOOD:
                good += 1
                assert columns.value[0] == n
        assert good > 40
        await driver.close()
