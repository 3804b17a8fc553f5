"""A changed configuration and a living OPC UA session, as the server counts it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from node_opcua import NodeServer
from opcua_process import PLANT, free_port

from edge_agent.config import Config, load
from edge_agent.core.tags import Tag
from edge_agent.drivers.opcua.address import Monitored, parse_address
from edge_agent.drivers.opcua.driver import OpcUa
from edge_agent.historian import Historian
from edge_agent.running import Running

pytestmark = pytest.mark.sockets

SESSIONS, SUBSCRIPTIONS, SUBSCRIPTIONS_EVER = "i=2278", "i=2285", "i=2286"
"""CumulatedSessionCount, then subscriptions now and so far (Part 5, 12.9: ServerDiagnosticsSummary)."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NodeServer]:
    server = NodeServer(tmp_path, free_port(), count=10).start()
    yield server
    server.kill()


class Counts:
    """What the server counts, asked in a session of its own."""

    def __init__(self, driver: OpcUa) -> None:
        self._driver = driver
        self._plan = driver.plan_read(
            [Tag(name=n, address=parse_address(n)) for n in (SESSIONS, SUBSCRIPTIONS, SUBSCRIPTIONS_EVER)]
        )

    async def now(self) -> list[float]:
        return (await self._driver.read(self._plan)).value.tolist()


@pytest.fixture
async def counts(server: NodeServer) -> AsyncIterator[Counts]:
    driver = OpcUa(server.url, 30)
    counts = Counts(driver)
    await driver.connect()
    yield counts
    await driver.close()


async def until(true: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(60):
            while not true():  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within 60 s: {what}") from None


class Configured:
    """Writes configurations of two devices on one server; each call says the nodes of both."""

    def __init__(self, folder: Path, url: str, read: str) -> None:
        self._folder, self._url, self._read = folder, url, read

    def __call__(self, first: str, second: str) -> Config:
        text = '[agent]\nstate = "state"\n'
        for name, nodes in (("first", first), ("second", second)):
            rows = "".join(f"{node},{PLANT}{node}\n" for node in nodes.split())
            (self._folder / f"{name}.csv").write_text("name,node\n" + rows)
            text += f'[device.{name}]\ndriver = "opc-ua"\nurl = "{self._url}"\nsecurity = "none"\n'
            text += f'scan = "100ms"\ntimeout = "30s"\nread = "{self._read}"\ntags = "{name}.csv"\n'
        (self._folder / "c.toml").write_text(text)
        return load(self._folder / "c.toml")


@contextlib.asynccontextmanager
async def running(config: Config) -> AsyncIterator[Running]:
    async with asyncio.TaskGroup() as group:
        agent = Running(config, Historian(Path("nowhere")), group)
        agent.start()
        tasks = agent._tasks
        try:
            yield agent
        finally:
            await agent.stop()
            for task in tasks.values():
                task.cancel()
            await agent.close()


def values(agent: Running) -> dict[str, float]:
    return {name: float(agent.parts.table.latest.value[row]) for name, row in agent.parts.rows.items()}


@pytest.mark.parametrize(("read", "each"), [("subscribe", 1), ("cyclic", 0)])
async def test_a_reload_keeps_sessions_and_finds_new_nodes(
    server: NodeServer, counts: Counts, tmp_path: Path, read: str, each: int
) -> None:
    config = Configured(tmp_path, server.url, read)
    async with running(config("v1 v2", "v3")) as agent:
        await until(lambda: values(agent) == {"first.v1": 1, "first.v2": 2, "second.v3": 3}, "all read")
        assert await counts.now() == [3, 2 * each, 2 * each]
        await agent.change(config("v1 v2", "v3 v4"))
        await until(lambda: values(agent).get("second.v4") == 4, "the new node")
        server.set("v1", 11)
        server.set("v4", 14)
        now = {"first.v1": 11, "first.v2": 2, "second.v3": 3, "second.v4": 14}
        await until(lambda: values(agent) == now, "what both devices say now")
        # The first device has the subscription it had, the second exchanged its own.
        assert await counts.now() == [3, 2 * each, 3 * each]
        assert all(device.failures == 0 for device in agent.parts.devices)


async def test_the_last_subscription_ends_and_another_begins(server: NodeServer, counts: Counts) -> None:
    driver = OpcUa(server.url, 30)
    subscribed = Tag(name="v1", address=parse_address(PLANT + "v1", "", Monitored(0.1)))
    plan = driver.plan_read([subscribed])
    try:
        await driver.connect()
        await driver.read(plan)
        polled = driver.plan_read([Tag(name="v1", address=parse_address(PLANT + "v1"))])
        await driver.read(polled)
        await driver.keep([polled])
        assert await counts.now() == [2, 0, 1]
        again = driver.plan_read([subscribed])
        assert again is not plan
        server.set("v1", 5)
        for _ in range(20):
            await asyncio.sleep(0.1)
            np.testing.assert_array_equal((await driver.read(again)).value, [5])
        assert await counts.now() == [2, 1, 2]
    finally:
        await driver.close()
