"""Every profile read whole from a real server whose registers are filled from the published tables."""

import asyncio
import json
import struct
import sys
from pathlib import Path

import pytest
from published import SOURCES, Fact, published
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

pytestmark = [pytest.mark.sockets, pytest.mark.data]
CONFIG = """
[device.meter]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
timeout = "5s"
tags = "profile:{profile}"
"""


def filled(fact: Fact, n: int) -> tuple[bytes, float | str]:
    """What stands in the registers of the nth fact, by its type alone, and the value that this is."""
    if fact.type.startswith("string"):
        text = f"plate {n}"
        return text.encode().ljust(int(fact.type[7:-1]), b"\0"), text
    code, raw = {
        "float32": ("f", n + 0.25),
        "int16": ("h", -11 * n),
        "uint16": ("H", 60_000 - n),
        "int32": ("i", -100_007 * n),
        "uint32": ("I", 3_000_000_000 + n),
        "uint64": ("Q", 2**40 + n),
    }[fact.type]
    data = struct.pack(f">{code}", raw)
    return data[2:] + data[:2] if fact.order == "CDAB" else data, raw / fact.divisor


def plant(facts: dict[str, Fact]) -> tuple[SimDevice, dict[str, float | str]]:
    """A device with all facts in its registers and nothing between them, and what each is."""
    tables = {"holding": bytearray(), "input": bytearray()}
    values = dict[str, float | str]()
    for n, (name, fact) in enumerate(facts.items(), 1):
        data, values[name] = filled(fact, n)
        table, first = tables[fact.table], 2 * fact.address
        table.extend(bytes(max(0, first + len(data) - len(table))))
        assert not any(table[first : first + len(data)]), f"{name} overlaps"
        table[first : first + len(data)] = data
    holding, inputs = (
        [SimData(0, values=[*struct.unpack(f">{len(t) // 2}H", t), 0], datatype=DataType.REGISTERS)]
        for t in tables.values()
    )
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    return SimDevice(1, simdata=(bits, bits, holding, inputs)), values


@pytest.mark.parametrize("profile", SOURCES)
async def test_a_profile_reads_every_published_value(profile: str, tmp_path: Path) -> None:
    device, values = plant(published(profile))
    server = ModbusTcpServer(context=[device], address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    config = tmp_path / "meter.toml"
    config.write_text(CONFIG.format(port=server.transport.sockets[0].getsockname()[1], profile=profile))
    command = [sys.executable, "-m", "edge_agent", "read", "--json", str(config)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    await server.shutdown()
    readings = {r["name"].removeprefix("meter.").replace("_", ""): r for r in json.loads(out)}
    assert process.returncode == 0
    assert {r["quality"] for r in readings.values()} == {"GOOD"}
    said = {n: r["meaning"] if isinstance(values[n], str) else r["value"] for n, r in readings.items()}
    numbers = {n: pytest.approx(v, rel=1e-12) if isinstance(v, float) else v for n, v in values.items()}
    assert said == numbers
