"""What servers do in plants: slow answers, few sessions, a download into the PLC."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from node_opcua import NodeServer
from odd_server import SLOW
from opcua_process import tags

from edge_agent.core.tags import Quality, Reason
from edge_agent.device import Device
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.opcua.breaking import BUSY
from edge_agent.drivers.opcua.driver import OpcUa

pytestmark = pytest.mark.sockets


@pytest.fixture
async def driver(odd: NodeServer) -> AsyncIterator[OpcUa]:
    driver = OpcUa(odd.url, 30, expiry=3)
    yield driver
    await driver.close()


class TestSlowAnswers:
    async def test_later_than_the_deadline_is_a_timeout(self, odd: NodeServer) -> None:
        hasty = OpcUa(odd.url, SLOW / 2, expiry=3)
        plan = hasty.plan_read(tags("v0", "Slow"))
        try:
            await hasty.connect()
            with pytest.raises(LinkDown) as late:
                await hasty.read(plan)
            assert late.value.reason == Reason.TIMEOUT
        finally:
            await hasty.close()

    async def test_before_the_deadline_is_a_value_and_no_write_waits_for_it(self, driver: OpcUa) -> None:
        slow, outputs = driver.plan_read(tags("v0", "Slow")), driver.plan_write(tags("Count"))
        await driver.connect()
        reading = asyncio.create_task(driver.read(slow))
        await driver.write(outputs, [8])
        assert not reading.done()
        assert (await reading).value.tolist() == [0, 1]


async def test_of_many_nodes_the_one_that_is_unknown_suffers_alone(driver: OpcUa) -> None:
    plan = driver.plan_read(tags("v0", "gone", "v2"))
    await driver.connect()
    columns = await driver.read(plan)
    np.testing.assert_array_equal(columns.value, [0, np.nan, 2])
    assert columns.reason.tolist() == [Reason.NONE, Reason.DEVICE_REFUSED, Reason.NONE]
    assert columns.said == {1: "BadNodeIdUnknown"}


class TestDownload:
    async def test_another_type_under_a_living_session(self, driver: OpcUa, odd: NodeServer) -> None:
        odd.set("made", 3, type="Int16")
        both = tags("made", "v2")
        plan, outputs = driver.plan_read(both), driver.plan_write(both)
        await driver.connect()
        await driver.write(outputs, [4, 5])
        assert (await driver.read(plan)).value.tolist() == [4, 5]
        odd.set("made", 3, type="Double")
        with pytest.raises(Refused, match=r"made .*: BadTypeMismatch"):
            await driver.write(outputs, [6, 6])
        await driver.write(outputs, [4.5, 2])
        assert (await driver.read(plan)).value.tolist() == [4.5, 2]

    async def test_other_indices_and_other_types_after_a_restart(
        self, driver: OpcUa, odd: NodeServer
    ) -> None:
        both = tags("v0", "v1")
        plan, outputs = driver.plan_read(both), driver.plan_write(both)
        await driver.connect()
        await driver.write(outputs, [7.5, 8.5])
        await asyncio.to_thread(odd.kill)
        odd.options |= {"namespaces": ["urn:new:program"], "types": {"v0": "Int16", "v1": "Float"}}
        await asyncio.to_thread(odd.start)
        with pytest.raises(LinkDown):
            await driver.read(plan)
        await driver.connect()
        with pytest.raises(Refused, match=r"Int16 cannot hold 7\.5"):
            await driver.write(outputs, [7.5, 8.5])
        await driver.write(outputs, [7, 8.5])
        assert (await driver.read(plan)).value.tolist() == [7, 8.5]


async def test_indices_that_move_under_a_living_session_end_it(driver: OpcUa, odd: NodeServer) -> None:
    plan, outputs = driver.plan_read(tags("v2")), driver.plan_write(tags("v2"))
    await driver.connect()
    namespaces = driver.session.namespaces
    odd.claim([*namespaces, "urn:added"])
    await asyncio.sleep(2)
    await driver.write(outputs, [2])
    try:
        odd.claim([*namespaces[:-1], "urn:new", namespaces[-1]])
        async with asyncio.timeout(30):
            with pytest.raises(LinkDown, match="namespaces have other indices now"):  # noqa: PT012 - the last of many
                while True:
                    await driver.read(plan)
                    await asyncio.sleep(0.1)
        with pytest.raises(LinkDown, match="namespaces have other indices now"):
            await driver.write(outputs, [3])
    finally:
        odd.claim(namespaces)


async def test_without_a_free_session_it_waits_until_one_is(
    driver: OpcUa, odd: NodeServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = OpcUa(odd.url, 30, expiry=3)
    await driver.connect()
    with pytest.raises(LinkDown, match=r"has no session free \(BadTooManySessions\); end another") as full:
        await other.connect()
    assert full.value.patience == BUSY
    await other.close()
    monkeypatch.setattr("edge_agent.drivers.opcua.breaking.BUSY", 1.0)
    device = Device("plc", other)
    plan = device.plan(tags("v2"))
    task = asyncio.create_task(device.run())
    try:
        async with asyncio.timeout(60):
            while "has no session free" not in caplog.text:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
            # As a power cut leaves it: the server does not know that our session is at its end.
            driver.session._keeper.cancel()
            driver.session._client.uaclient.protocol.transport.abort()
            while (columns := await device.read(plan, 1)).quality[0] == Quality.BAD:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert columns.value.tolist() == [2]
    finally:
        task.cancel()
        await device.close()
