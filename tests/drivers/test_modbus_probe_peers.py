"""`probe` beside what others wrote: over every wire, of units that page, of those that answer wrongly."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import npm_peer
import pytest
from agent_process import until
from modbus_proxy import free_port
from peer_process import serving
from pymodbus import FramerType, ModbusDeviceIdentification
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from serial_line import joined
from tls_plant import listening

pytestmark = pytest.mark.sockets
UNIT = 3
NAMES = {"VendorName": "Acme", "ProductCode": "M1", "ModelName": "Meter", "UserApplicationName": "hall 2"}
WRITES = {5, 6, 15, 16, 22, 23}


class Device:
    """Unit 3 of a pymodbus server, and any other: 50 registers, and what it was asked."""

    def __init__(self) -> None:
        registers = [SimData(0, values=list(range(50)), datatype=DataType.REGISTERS)]
        self.units, self.functions = set[int](), set[int]()
        self.served = {
            "context": [SimDevice(unit, simdata=registers) for unit in (UNIT, 0)],
            "identity": ModbusDeviceIdentification(info_name=NAMES),
            "trace_pdu": self._note,
        }

    def _note(self, sending: bool, pdu: Any) -> Any:
        if not sending:
            self.functions.add(pdu.function_code)
        return pdu

    def note_unit(self, sending: bool, data: bytes, at: int = 0) -> bytes:
        """The unit of a request that came as one piece, whether or not it is here."""
        if not sending and len(data) > at:
            self.units.add(data[at])
        return data


async def probed(place: str, *options: str) -> tuple[int | None, Any]:
    """Exit code, and what was found."""
    command = [sys.executable, "-m", "edge_agent", "probe", place, "--json", "--rate", "200", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(100):
        out, _ = await process.communicate()
    return process.returncode, json.loads(out)


@asynccontextmanager
async def over(transport: str, folder: Path) -> AsyncIterator[tuple[Device, list[str]]]:
    """The device on a wire, and how `probe` gets there."""
    device = Device()
    address = ("127.0.0.1", 0)
    if transport == "udp":
        server: Any = ModbusUdpServer(address=address, **device.served)
    elif transport == "rtu-over-tcp":
        server = ModbusTcpServer(
            address=address, framer=FramerType.RTU, trace_packet=device.note_unit, **device.served
        )
    else:
        with joined(folder) as (ours, theirs):
            server = ModbusSerialServer(
                port=str(theirs), baudrate=115200, framer=FramerType(transport), **device.served
            )
            await server.serve_forever(background=True)
            line = ["--baud", "115200", "--parity", "none", "--data-bits", "8", "--stop-bits", "1"]
            yield device, [str(ours), *line]
            await server.shutdown()
        return
    async with listening(server) as port:
        yield device, ["127.0.0.1", "--port", str(port)]


@pytest.mark.parametrize("transport", ["udp", "rtu", "ascii", "rtu-over-tcp"])
async def test_a_unit_is_found_and_named_over_every_wire(transport: str, tmp_path: Path) -> None:
    async with over(transport, tmp_path) as (device, place):
        options = ["--transport", transport, "--units", f"{UNIT}", "--addresses", "0-59", "--timeout", "2"]
        code, found = await probed(*place, *options)
    assert code == 0
    (unit,) = found["units"]
    assert unit["unit"] == UNIT
    assert unit["identification"] == {
        "vendor": "Acme",
        "product code": "M1",
        "model name": "Meter",
        "application name": "hall 2",
    }
    tables = {table["table"]: table for table in unit["tables"]}
    assert (tables["holding"]["ranges"], tables["holding"]["tried"]) == ([[0, 49]], [0, 59])
    assert device.functions == {1, 2, 3, 4, 43}
    assert not device.functions & WRITES


async def test_on_a_line_only_units_of_a_line_are_tried_unless_others_are_named(tmp_path: Path) -> None:
    """0 is everybody, and 255 what a device on a network calls itself."""
    async with over("rtu-over-tcp", tmp_path) as (device, place):
        options = ["--transport", "rtu-over-tcp", "--expect", "7=7"]
        code, found = await probed(*place, *options)
        assert code == 0
        assert device.units == set(range(1, 11))
        assert [unit["unit"] for unit in found["units"]] == list(range(1, 11))
        device.units.clear()
        await probed(*place, *options, "--units", "3,247")
        assert device.units == {3, 247}


async def test_an_identification_of_many_pages_is_read_whole() -> None:
    """What modbus-serial gives takes four replies in each level."""
    program = npm_peer.install("modbus") / "modbus_serial.js"
    with serving("node", program, free_port()) as port:
        _, found = await probed("127.0.0.1", "--port", str(port), "--units", "1", "--addresses", "0-1")
    (unit,) = found["units"]
    assert unit["identification"] == {
        "vendor": "Vendor",
        "product code": "Product",
        "revision": "1.2",
        "vendor url": "http://vendor",
        "model name": "Model",
        "object 128": "a" * 200,
        "object 130": "b" * 200,
        "object 255": "c" * 200,
    }
    assert unit["unnamed"] == ""


@pytest.fixture
def jsmodbus() -> Iterator[int]:
    """The port of a server that answers with nothing to whoever reads beyond its 1000 registers."""
    with serving("node", npm_peer.install("modbus") / "jsmodbus.js") as port:
        yield port


async def test_where_a_unit_answers_wrongly_it_is_told_how(jsmodbus: int) -> None:
    options = ["--port", str(jsmodbus), "--units", "1", "--addresses", "800-1299"]
    code, found = await probed("127.0.0.1", *options)
    assert code == 0
    (unit,) = found["units"]
    holding = unit["tables"][0]
    assert (holding["ranges"], holding["tried"]) == ([[800, 999]], [800, 1299])
    ((answer, times),) = holding["refused"].items()
    assert answer.startswith("a wrong answer: the reply 0300 of 2 bytes does not fit 03")
    assert times > 1


async def test_a_unit_whose_first_answer_is_wrong_is_not_silent(jsmodbus: int) -> None:
    options = ["--port", str(jsmodbus), "--units", "1", "--addresses", "5000-5099"]
    code, found = await probed("127.0.0.1", *options)
    assert (code, found["silent"]) == (1, [])
    (unit,) = found["units"]
    assert unit["wrong"] == "the reply 0300 of 2 bytes does not fit 0313880001"


@contextmanager
def echo() -> Iterator[int]:
    """The port of a server that says whatever it is told, as a line does whose driver hears itself."""
    port = free_port()
    with subprocess.Popen(["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork", "EXEC:cat"]) as socat:
        try:
            until(lambda: answers_at(port), "an echo")
            yield port
        finally:
            socat.kill()


def answers_at(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


async def test_who_only_talks_nonsense_is_told_so_and_asked_no_further() -> None:
    with echo() as port:
        code, found = await probed("127.0.0.1", "--port", str(port), "--units", "1,2")
    assert code == 1
    said = {unit["unit"]: unit["wrong"] for unit in found["units"]}
    assert said == dict.fromkeys((1, 2), "the reply 0300000001 of 5 bytes does not fit 0300000001")
    assert found["requests"] == 4
