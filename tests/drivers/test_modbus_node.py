"""Modbus TCP servers written in JavaScript: modbus-serial, and jsmodbus, which answers with nothing."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import npm_peer
import pytest
import pytest_asyncio
from memory_line import tags
from modbus_proxy import free_port
from modbus_tcp import modbus_tcp
from peer_process import serving

from edge_agent.core.registers import Address, Table
from edge_agent.core.tags import Quality, Reason, Tag
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus import identification, pdu
from edge_agent.drivers.modbus.driver import Modbus

pytestmark = pytest.mark.sockets


def node(program: str, *arguments: object) -> AbstractContextManager[int]:
    """A program of `tests/peers/modbus`; the port that it prints."""
    return serving("node", npm_peer.install("modbus") / program, *arguments)


@pytest_asyncio.fixture
async def modbus_serial() -> AsyncIterator[Modbus]:
    with node("modbus_serial.js", free_port()) as port:
        driver = modbus_tcp("127.0.0.1", port, timeout=2)
        await driver.connect()
        yield driver
        await driver.close()


def bits(table: Table) -> list[Tag]:
    return [Tag(name=f"u.{n}", address=Address(table=table, offset=n, type="bool")) for n in range(20)]


async def test_modbus_serial_is_read_and_written(modbus_serial: Modbus) -> None:
    driver = modbus_serial
    inputs = [Tag(name=f"u.{n}", address=Address(table="input", offset=n, type="uint16")) for n in range(300)]
    plan = driver.plan_read([*tags(1, range(300)), *inputs, *bits("coil"), *bits("discrete")])
    thirds = [n % 3 == 0 for n in range(20)]
    assert (await driver.read(plan)).value.tolist() == [*range(300), *range(300), *thirds, *thirds]
    await driver.write(driver.plan_write(tags(1, (40, 41))), [7, 65535])
    await driver.write(driver.plan_write(bits("coil")[:3]), [0, 1, 1])
    after = await driver.read(driver.plan_read([*tags(1, (40, 41)), *bits("coil")[:3]]))
    assert after.value.tolist() == [7, 65535, 0, 1, 1]
    assert (await driver.read(driver.plan_read(tags(1, (2000,)))))[0].quality is Quality.BAD


async def test_modbus_serial_takes_single_writes_and_says_who_it_is(modbus_serial: Modbus) -> None:
    await modbus_serial.ask(pdu.write_register(50, 1234))
    await modbus_serial.ask(pdu.write_coil(1, True))
    assert await modbus_serial.ask(pdu.read("holding", 50, 1)) == (1234).to_bytes(2)
    _, found, following = identification.page(await modbus_serial.ask(identification.identify()))
    assert (found[0], found[1], found[2]) == (b"Vendor", b"Product", b"1.2")
    assert following == 128


async def test_an_answer_with_nothing_in_it_is_a_bad_reply() -> None:
    """Jsmodbus gives it to whoever reads beyond its registers."""
    with node("jsmodbus.js") as port:
        driver = modbus_tcp("127.0.0.1", port, timeout=2)
        await driver.connect()
        plan = driver.plan_read(tags(1, range(200)))
        assert (await driver.read(plan)).value.tolist() == list(range(200))
        with pytest.raises(LinkDown) as down:
            await driver.read(driver.plan_read(tags(1, (5000,))))
        assert down.value.reason is Reason.BAD_REPLY
        await driver.connect()
        assert (await driver.read(plan)).value.tolist() == list(range(200))
        await driver.close()
