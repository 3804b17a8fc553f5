"""`probe` against a pymodbus server with holes, and against one that never answers."""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pymodbus import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

pytestmark = pytest.mark.sockets
DEADLINE = 60.0


class Served:
    """A server's port, and the functions that it was asked for."""

    def __init__(self) -> None:
        self.port = 0
        self.functions: set[int] = set()
        self._requests = 0
        self.eleventh = asyncio.Event()

    def note(self, sending: bool, pdu: Any) -> Any:
        if not sending:
            self.functions.add(pdu.function_code)
            self._requests += 1
            if self._requests == 11:
                self.eleventh.set()
        return pdu


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    """Unit 1: holding 0-49 and 60-349, of which 100 and 101 hold 21.53 in CDAB, the others 7 or 9; input
    10-19, and 0.9 as a float at 102; 16 bits each.
    """
    registers = DataType.REGISTERS
    holding = [
        SimData(0, count=50, values=7, datatype=registers),
        SimData(60, count=40, values=7, datatype=registers),
        SimData(100, values=[0x3D71, 0x41AC], datatype=registers),
        SimData(102, count=248, values=9, datatype=registers),
    ]
    bits = [SimData(0, values=[True] * 16, datatype=DataType.BITS)]
    inputs = [
        SimData(10, count=10, values=5, datatype=registers),
        SimData(102, values=[0x3F66, 0x6666], datatype=registers),
    ]
    device = SimDevice(1, simdata=(bits, bits, holding, inputs))
    seen = Served()
    server = ModbusTcpServer(
        context=[device],
        address=("127.0.0.1", 0),
        trace_pdu=seen.note,
        identity=ModbusDeviceIdentification(info_name={"VendorName": "Acme", "ProductCode": "M1"}),
    )
    await server.serve_forever(background=True)
    seen.port = server.transport.sockets[0].getsockname()[1]
    yield seen
    await server.shutdown()


async def start(port: int, *args: str) -> Process:
    command = [sys.executable, "-m", "edge_agent", "probe", "127.0.0.1", "--port", str(port), *args]
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)


async def ended(process: Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(DEADLINE):
        out, err = await process.communicate()
    assert b"Traceback" not in err, err.decode()
    return process.returncode, out.decode(), err.decode()


async def test_ranges_holes_names_and_the_longest_request_are_found_by_reading_alone(served: Served) -> None:
    args = ["--units", "1", "--addresses", "0-399", "--rate", "1000", "--json"]
    code, out, _ = await ended(await start(served.port, *args))
    assert code == 0
    found = json.loads(out)
    assert found["complete"]
    (unit,) = found["units"]
    assert unit["identification"]["vendor"] == "Acme"
    tables = {table["table"]: table for table in unit["tables"]}
    assert tables["holding"]["ranges"] == [[0, 49], [60, 349]]
    assert tables["holding"]["largest"] == 125
    assert tables["input"]["largest"] is None
    assert served.functions <= {1, 2, 3, 4, 43}


async def test_a_value_on_the_hmi_is_explained(served: Served) -> None:
    args = ["--units", "1", "--rate", "1000", "--expect", "100=21.53", "--expect", "0=0.7", "--json"]
    code, out, _ = await ended(await start(served.port, *args))
    assert code == 0
    first, second = json.loads(out)["units"][0]["expected"]
    best = first["explanations"][0]
    assert best == {"table": "holding", "type": "float32", "order": "CDAB", "scale": 1.0} | {
        "value": pytest.approx(21.53)
    }
    assert (second["explanations"][0]["type"], second["explanations"][0]["scale"]) == ("int16", 0.1)


async def test_what_stands_plainly_in_one_table_comes_before_what_is_scaled_in_the_other(
    served: Served,
) -> None:
    code, out, _ = await ended(
        await start(served.port, "--units", "1", "--rate", "1000", "--expect", "102=0.9")
    )
    assert code == 0
    lines = out.splitlines()
    at = lines.index("  0.9 at 102:")
    assert lines[at + 1 : at + 3] == [
        "    input 102 float32 ABCD: 0.9",
        "    holding 102 int16 AB, scale 0.1: 0.9",
    ]


async def test_what_nothing_explains_is_exit_code_1_and_shown_as_it_is(served: Served) -> None:
    code, out, _ = await ended(await start(served.port, "--units", "1", "--expect", "0=12345.678"))
    assert code == 1
    lines = out.splitlines()
    at = lines.index("  12345.678 at 0: nothing explains it")
    assert lines[at + 1] == "    holding from 0 on: 7 7 7 7"
    assert lines[at + 2] == "    input from 0 on: exception 2 (illegal data address)"


async def test_where_nothing_is_served_is_told_with_what_was_answered(served: Served) -> None:
    args = ["--units", "1", "--addresses", "400-449", "--rate", "1000"]
    code, out, _ = await ended(await start(served.port, *args))
    assert code == 0
    lines = out.splitlines()
    at = lines.index("  holding   nothing of 400-449")
    assert lines[at + 1] == "            else exception 2 (illegal data address), 7 times"


async def test_ctrl_c_ends_it_with_what_it_has_found(served: Served) -> None:
    """The eleventh request, of one register, comes after three pages of names and holding 0-49."""
    process = await start(served.port, "--units", "1", "--rate", "10")
    async with asyncio.timeout(DEADLINE):
        await served.eleventh.wait()
    process.send_signal(signal.SIGINT)
    code, out, _ = await ended(process)
    assert code == 0
    assert "unit 1:" in out
    assert "holding   0-49 of 0-49\n" in out
    assert "nothing written; stopped before all was asked" in out


async def test_silence_is_told_and_is_exit_code_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        args = ["--units", "1,2", "--timeout", "0.1"]
        code, out, _ = await ended(await start(silent.getsockname()[1], *args))
    assert code == 1
    assert "no answer from 2 units: 1, 2" in out


async def test_nobody_there_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    code, out, err = await ended(await start(port, "--units", "1"))
    assert (code, out) == (1, "")
    assert err.startswith(f"127.0.0.1:{port}: ")


@pytest.mark.parametrize(
    "args",
    [
        ["--units", "1-x"],
        ["--units", "256"],
        ["--expect", "12"],
        ["--expect", "a=1"],
        ["--transport", "rtu", "--data-bits", "7"],
        ["--transport", "ascii", "--data-bits", "9"],
    ],
)
async def test_wrong_usage_is_exit_code_2(args: list[str]) -> None:
    code, _, _ = await ended(await start(1, *args))
    assert code == 2


async def test_tls_without_a_certificate_is_exit_code_2() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "edge_agent",
        "probe",
        "localhost",
        "--transport",
        "tls",
        stdout=PIPE,
        stderr=PIPE,
    )
    code, _, told = await ended(process)
    assert code == 2
    assert "--ca" in told
