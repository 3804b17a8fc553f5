"""What rules of links and devices come to, as servers that others wrote see it: by the order of events."""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import npm_peer
import pytest
from libmodbus_server import compiled
from memory_line import tags
from modbus_proxy import Proxy, free_port
from modbus_tcp import modbus_tcp, tag
from peer_process import serving
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from serial_line import joined, on_line

from edge_agent.build import driver_of
from edge_agent.config import load
from edge_agent.config.links import Link, LinkTable, TcpTable
from edge_agent.core.tags import Quality, Reason
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.links import Links

pytestmark = pytest.mark.sockets

FORBIDDEN = """
[device.plc]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
timeout = "5s"
max_gap = 120
forbidden = ["holding 44-45", "holding 58", "input 3-4"]
tags = [
  {{ name = "below", table = "holding", address = 40, type = "uint16[4]" }},
  {{ name = "between", table = "holding", address = 46, type = "uint16[12]" }},
  {{ name = "above", table = "holding", address = 59, type = "uint16[40]" }},
  {{ name = "inputs", table = "input", address = 0, type = "uint16[3]" }},
  {{ name = "more", table = "input", address = 5, type = "float32[4]" }},
]
"""


def touched(pdu: bytes) -> Iterator[tuple[int, int]]:
    """The function and each address of a request to read."""
    function, first, count = struct.unpack(">BHH", pdu[:5])
    yield from ((function, address) for address in range(first, first + count))


async def test_no_request_ever_touches_what_is_forbidden_not_even_the_search_for_a_bad_address(
    tmp_path: Path,
) -> None:
    """The server refuses holding 50-55 and 70-79, so that requests beside what is forbidden are halved."""
    with serving(compiled(), 0, "50-55,70-79") as port, Proxy(port) as proxy:
        (tmp_path / "plc.toml").write_text(FORBIDDEN.format(port=proxy.port))
        (device,) = load(tmp_path / "plc.toml").devices
        driver = driver_of(device.table)
        plan = driver.plan_read([scanned.tag for scanned in device.tags])
        await driver.connect()
        for _ in range(10):
            columns = await driver.read(plan)
        await driver.close()
    asked = {place for request in proxy.requests for place in touched(request)}
    forbidden = {*((3, n) for n in (44, 45, 58)), (4, 3), (4, 4)}
    assert asked.isdisjoint(forbidden)
    wanted = {*range(40, 44), *range(46, 58), *range(59, 99)}
    assert {address for function, address in asked if function == 3} == wanted
    bad = {n for n, quality in zip(sorted(wanted), columns.quality, strict=False) if quality == Quality.BAD}
    assert bad == {*range(50, 56), *range(70, 80)}


async def test_an_address_that_is_filled_later_comes_back_by_itself_and_its_neighbours_never_go() -> None:
    """A modbus-serial server has holding 20 once it was written; 5 s after a refusal it is asked again."""
    program = npm_peer.install("modbus") / "modbus_serial.js"
    with serving("node", program, free_port(), 20, 20) as target, Proxy(target) as proxy:
        driver = modbus_tcp("127.0.0.1", proxy.port, timeout=5)
        await driver.connect()
        plan = driver.plan_read(tags(1, range(40)))
        while (await driver.read(plan))[20].reason is not Reason.QUARANTINED:
            pass
        found = len(proxy.requests)
        for _ in range(20):
            columns = await driver.read(plan)
            assert [row for row in range(40) if columns[row].quality is Quality.BAD] == [20]
        alone = proxy.requests[found:]
        assert all((3, 20) not in touched(request) for request in alone), "asked again at once"
        assert len(alone) <= 2 * 20 + 2, "a bad address costs one request more"
        await driver.ask(pdu.write_register(20, 4711))
        while (columns := await driver.read(plan))[20].quality is Quality.BAD:
            assert [row for row in range(40) if columns[row].quality is Quality.BAD] == [20]
            await asyncio.sleep(0.05)
        assert columns[20].value == 4711
        await driver.read(plan)
        whole = len(proxy.requests)
        await driver.read(plan)
        assert [request[1:5] for request in proxy.requests[whole:]] == [struct.pack(">HH", 0, 40)]
        await driver.close()


class Diary:
    """What a pymodbus server saw, and when half of `wait` had passed after that, by a timer of its own."""

    def __init__(self, wait: float) -> None:
        self._half = wait / 2
        self.events: list[str] = []

    def note(self, event: str, then: str = "") -> None:
        self.events.append(event)
        if then:
            asyncio.get_running_loop().call_later(self._half, self.events.append, then)

    def connected(self, up: bool) -> None:
        if up:
            self.note("connected", then="half of the pause")

    def exchanged(self, sending: bool, message: Any) -> Any:
        self.note(*(("answer", "half of the delay") if sending else ("request",)))
        return message


def served() -> list[SimDevice]:
    return [SimDevice(1, simdata=[SimData(0, values=list(range(50)), datatype=DataType.REGISTERS)])]


def driver_on(table: LinkTable) -> Modbus:
    return Modbus(Links().of(Link(name="link", table=table)), 1, timeout=5)


async def thrice(driver: Modbus) -> None:
    await driver.connect()
    plan = driver.plan_read(tags(1, range(5)))
    for _ in range(3):
        assert (await driver.read(plan)).value.tolist() == list(range(5))
    await driver.close()


@asynccontextmanager
async def tcp(diary: Diary) -> AsyncIterator[int]:
    server = ModbusTcpServer(
        context=served(),
        address=("127.0.0.1", 0),
        trace_connect=diary.connected,
        trace_pdu=diary.exchanged,
    )
    await server.serve_forever(background=True)
    yield server.transport.sockets[0].getsockname()[1]
    await server.shutdown()


async def test_a_pause_after_connect_is_over_before_the_first_request() -> None:
    diary = Diary(wait=1.0)
    async with tcp(diary) as port:
        await thrice(
            driver_on(TcpTable(transport="tcp", host="127.0.0.1", port=port, pause_after_connect=1.0))
        )
    assert diary.events[:3] == ["connected", "half of the pause", "request"]


async def test_without_a_pause_the_first_request_comes_at_once() -> None:
    diary = Diary(wait=1.0)
    async with tcp(diary) as port:
        await thrice(driver_on(TcpTable(transport="tcp", host="127.0.0.1", port=port)))
    assert diary.events[:2] == ["connected", "request"]


def between_answers_and_requests(events: list[str]) -> list[list[str]]:
    """What happened from each answer to the next request."""
    events = [event for event in events if event != "half of the pause"]
    asked = [n for n, event in enumerate(events) if event == "request"]
    answered = [n for n, event in enumerate(events) if event == "answer"]
    return [events[a + 1 : b] for a, b in zip(answered, asked[1:], strict=False)]


@pytest.mark.parametrize("delay", [0.0, 0.4])
async def test_a_delay_on_a_network_link_is_over_before_the_next_request(delay: float) -> None:
    diary = Diary(wait=0.4)
    async with tcp(diary) as port:
        await thrice(driver_on(TcpTable(transport="tcp", host="127.0.0.1", port=port, delay=delay)))
    assert between_answers_and_requests(diary.events) == 2 * [["half of the delay"] if delay else []]


@pytest.mark.parametrize("transport", ["rtu", "ascii"])
async def test_a_delay_on_a_serial_line_is_over_before_the_next_request(
    transport: str, tmp_path: Path
) -> None:
    diary = Diary(wait=0.4)
    with joined(tmp_path) as (ours, theirs):
        server = ModbusSerialServer(
            context=served(),
            port=str(theirs),
            baudrate=115200,
            framer=FramerType(transport),
            trace_pdu=diary.exchanged,
        )
        await server.serve_forever(background=True)
        await thrice(on_line(ours, timeout=5, transport=transport, delay=0.4))
        await server.shutdown()
    assert between_answers_and_requests(diary.events) == 2 * [["half of the delay"]]


@pytest.mark.parametrize("pipelining", [1, 4])
async def test_answers_that_overtake_each_other_are_each_their_request_s(pipelining: int) -> None:
    """The server, modbus-serial, counts the answers that went out before an earlier one."""
    with serving("node", npm_peer.install("modbus") / "out_of_order.js", free_port()) as port:
        table = TcpTable(transport="tcp", host="127.0.0.1", port=port, pipelining=pipelining)
        driver = driver_on(table)
        await driver.connect()
        plan = driver.plan_read(tags(1, range(0, 800, 100)))
        for _ in range(3):
            assert (await driver.read(plan)).value.tolist() == list(range(0, 800, 100))
        (overtaken,) = (await driver.read(driver.plan_read([tag("input", 0)]))).value
        await driver.close()
    assert (overtaken > 0) == (pipelining > 1)
