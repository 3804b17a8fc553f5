"""The plant over TCP and RTU, seen by mbpoll, a client in C, and by our own driver."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from modbus_tcp import modbus_tcp
from serial_line import joined, on_line

from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.plant.process import PlantProcess
from edge_agent.plant.registers import POINT

pytestmark = pytest.mark.sockets
TCP, RTU = "tcp", "rtu"


class Reached:
    """A plant, by one transport: for mbpoll and for our driver."""

    def __init__(self, mbpoll: list[str], target: str, driver: Modbus) -> None:
        self._mbpoll, self._target, self.driver = mbpoll, target, driver

    def poll(self, kind: str, address: int, count: int = 1, write: str = "") -> list[float]:
        values = [write] if write else ["-c", str(count)]
        command = [
            "mbpoll",
            *self._mbpoll,
            "-0",
            "-1",
            "-B",
            "-t",
            kind,
            "-r",
            str(address),
            self._target,
            *values,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 0, done.stdout + done.stderr
        return [float(value) for value in re.findall(r"^\[\d+\]:\s+(\S+)", done.stdout, re.MULTILINE)]


@pytest.fixture(scope="module", params=[TCP, RTU])
def plant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    folder: Path = tmp_path_factory.mktemp("line")
    with joined(folder) as (ours, theirs), PlantProcess("--no-opcua", "--serial", str(theirs)) as process:
        if request.param == TCP:
            port = process.modbus_port
            yield Reached(["-m", "tcp", "-p", str(port)], "127.0.0.1", modbus_tcp("127.0.0.1", port))
        else:
            options = ["-m", "rtu", "-b", "115200", "-P", "none", "-a", "1"]
            yield Reached(options, str(ours), on_line(ours))


def signal(name: str) -> Tag:
    point = POINT[name]
    return Tag(
        name=f"plant.{name}",
        address=Address(table=point.table, offset=point.address, type=point.type, order=point.order),
    )


async def test_what_our_driver_writes_mbpoll_reads(plant: Reached) -> None:
    await plant.driver.connect()
    await plant.driver.write(plant.driver.plan_write([signal("result_score")]), [-0.15625])
    await plant.driver.close()
    assert plant.poll("4:float", POINT["result_score"].address) == [-0.15625]


async def test_what_mbpoll_writes_our_driver_reads(plant: Reached) -> None:
    address = POINT["result_heartbeat"].address
    plant.poll("4", address, write="4711")
    await plant.driver.connect()
    columns = await plant.driver.read(plant.driver.plan_read([signal("result_heartbeat")]))
    await plant.driver.close()
    assert columns.value[0] == 4711
    assert plant.poll("4", address) == [4711]
