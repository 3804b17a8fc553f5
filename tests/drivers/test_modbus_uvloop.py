"""The same over uvloop, which has transports and timers of its own."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from libmodbus_server import compiled
from memory_line import tags
from modbus_tcp import modbus_tcp
from serial_line import joined, on_line

from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.driver import Modbus


@pytest.fixture(params=["tcp", "rtu"])
def plc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Modbus]]:
    """A libmodbus server and a driver for it, not yet connected."""
    with joined(tmp_path) as (ours, theirs):
        arguments = [] if request.param == "tcp" else [str(theirs), "1"]
        with subprocess.Popen([str(compiled()), *arguments], stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout
                port = int(server.stdout.readline())
                yield server, on_line(ours) if request.param == "rtu" else modbus_tcp("127.0.0.1", port)
            finally:
                server.kill()


def test_a_driver_reads_writes_and_notices_the_end(plc: tuple[subprocess.Popen[str], Modbus]) -> None:
    server, driver = plc

    async def use() -> None:
        await driver.connect()
        assert (await driver.read(driver.plan_read(tags(1, range(300))))).value.tolist() == list(range(300))
        await driver.write(driver.plan_write(tags(1, (5, 6))), [50, 60])
        assert (await driver.read(driver.plan_read(tags(1, (5, 6))))).value.tolist() == [50, 60]
        server.kill()
        with pytest.raises(LinkDown):
            await driver.read(driver.plan_read(tags(1)))
        await driver.close()

    uvloop.run(use())
