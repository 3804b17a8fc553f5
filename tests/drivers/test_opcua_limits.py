"""Servers that take only so many nodes in one request, whether they say so or not."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from click.testing import CliRunner
from node_opcua import NodeServer
from opcua_process import PLANT, tags

from edge_agent.cli import main
from edge_agent.core.tags import Quality, Tag
from edge_agent.drivers import Refused
from edge_agent.drivers.opcua.address import Monitored, parse_address
from edge_agent.drivers.opcua.driver import OpcUa

pytestmark = pytest.mark.sockets


@pytest.fixture
async def driver(odd: NodeServer) -> AsyncIterator[OpcUa]:
    for number in range(3):  # others write to them
        odd.set(f"v{number}", number)
    driver = OpcUa(odd.url, 30, expiry=3)
    yield driver
    await driver.close()


async def test_more_outputs_than_one_write_may_have_are_told_at_connect(
    plant: NodeServer, caplog: pytest.LogCaptureFixture
) -> None:
    driver = OpcUa(plant.url, 5)
    outputs = tags(*(f"v{i % 300}" for i in range(501)))
    write, right = driver.plan_write(outputs), driver.plan_write(outputs[:300])
    await driver.connect()
    told = "501 outputs are written together, the server takes 500 in one Write (MaxNodesPerWrite)"
    assert f"cannot be written: {told}" in caplog.text
    with pytest.raises(Refused, match="501 outputs are written together"):
        await driver.write(write, [-1] * 501)
    await driver.write(right, list(range(300)))
    await driver.close()


class TestLimitsThatAreNotTold:
    """Of every service it takes two or three nodes a request, and says so only by refusing more."""

    async def test_reading(self, driver: OpcUa) -> None:
        plan = driver.plan_read(tags("v0", "v1", "v2", "Count", "State"))
        await driver.connect()
        assert (await driver.read(plan)).quality.tolist() == [Quality.GOOD] * 5

    async def test_subscribing(self, driver: OpcUa, odd: NodeServer) -> None:
        names = ["v0", "v1", "v2", "State", "Vibration"]
        plan = driver.plan_read(
            [Tag(name=n, address=parse_address(PLANT + n, "", Monitored(0.1))) for n in names]
        )
        await driver.connect()
        odd.set("Vibration", 2.5)
        async with asyncio.timeout(30):
            while (columns := await driver.read(plan)).value.tolist() != [0, 1, 2, 3, 2.5]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert driver._known is not None
        assert driver._known.subscriptions[plan]._polled == []
        assert (columns.quality == Quality.GOOD).all()
        odd.set("Vibration", 1.5)

    async def test_browse_paths_and_units(self, driver: OpcUa, caplog: pytest.LogCaptureFixture) -> None:
        press = "/Objects/nsu=urn:test:plant;Press/nsu=urn:test:plant;"
        names = ["v0", "v1", "v2", "State", "Temperature"]
        found = [Tag(name=n, address=parse_address(press + n), unit="K", low=0, high=1e3) for n in names]
        plan = driver.plan_read(found)
        await driver.connect()
        assert (await driver.read(plan)).value.tolist() == [0, 1, 2, 3, 60]
        assert "is in '°C' by the server, in 'K' by the tag" in caplog.text

    def test_browsing(self, odd: NodeServer) -> None:
        said = CliRunner().invoke(main, ["browse", odd.url, "--insecure", "--filter", "Press/"]).output
        assert all(f" {PLANT}{name} " in said for name in ("v0", "v1", "v2", "Curve", "Temperature"))

    async def test_writing_is_all_or_nothing(self, driver: OpcUa) -> None:
        three = tags("v0", "v1", "v2")
        read, write = driver.plan_read(three), driver.plan_write(three)
        await driver.connect()
        with pytest.raises(Refused, match="does not take 3 writes at once"):
            await driver.write(write, [7, 8, 9])
        assert (await driver.read(read)).value.tolist() == [0, 1, 2]
