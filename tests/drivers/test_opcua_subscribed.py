"""Scan classes by subscription, with a server that nobody here wrote: what is told, checked and lost."""

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from asyncua import ua
from click.testing import CliRunner
from node_opcua import NodeServer
from opcua_process import PLANT, free_port

from edge_agent.cli import main
from edge_agent.core.tags import Columns, Quality, Reason, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.opcua import known, subscription
from edge_agent.drivers.opcua.address import Monitored, parse_address
from edge_agent.drivers.opcua.driver import OpcUa
from edge_agent.drivers.opcua.plans import ReadPlan
from edge_agent.drivers.opcua.subscription import Subscription

pytestmark = pytest.mark.sockets
PERIOD = 0.1
MOST_SESSIONS = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    limits = {"maxNodesPerRead": 100, "maxMonitoredItemsPerCall": 70}
    more = {"limits": limits, "maxSessions": MOST_SESSIONS}
    server = NodeServer(tmp_path_factory.mktemp("peer"), free_port(), count=300, **more)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def driver(server: NodeServer) -> AsyncIterator[OpcUa]:
    driver = OpcUa(server.url, timeout=5)
    yield driver
    await driver.close()


def tag(name: str, field: str = "", deadband: float = 0.0) -> Tag:
    return Tag(name=name, address=parse_address(PLANT + name, field, Monitored(PERIOD, deadband)))


async def until(
    driver: OpcUa, plan: ReadPlan, true: Callable[[Columns], bool], seconds: float = 10
) -> Columns:
    """Read as a scan does until something is true."""
    async with asyncio.timeout(seconds):
        while not true(columns := await driver.read(plan)):  # noqa: ASYNC110 - a scan is what is played
            await asyncio.sleep(PERIOD / 2)
    return columns


async def test_values_are_there_at_once_and_then_told(driver: OpcUa, server: NodeServer) -> None:
    names = ["Vibration", "Count", "Big", "Text", "Started", "State", "unknown"]
    plan = driver.plan_read([*map(tag, names), tag("Curve", "[2]")])
    await driver.connect()
    columns = await driver.read(plan)
    big = 0x200000 * 2**32 + 1
    np.testing.assert_array_equal(columns.value, [1.5, 7, float(big), 7, 1767323045, 3, np.nan, 4])
    assert columns.exact == {2: big, 3: "running", 4: "2026-01-02T03:04:05+00:00"}
    server.set("Vibration", 2.5)
    server.set("Count", 8)
    await until(driver, plan, lambda c: c.value[0] == 2.5 and c.value[1] == 8)
    server.set("Count", 8, "BadSensorFailure")
    columns = await until(driver, plan, lambda c: c.quality[1] == Quality.BAD)
    assert columns.reason[:2].tolist() == [Reason.NONE, Reason.DEVICE_REFUSED]
    assert columns[1].said == "BadSensorFailure"
    assert 0 <= time.time_ns() - columns[1].source < 20e9
    server.set("Vibration", 1.5)
    server.set("Count", 7)
    await until(driver, plan, lambda c: c.value[1] == 7)


async def test_fields_of_the_standards_own_structures(driver: OpcUa) -> None:
    node, unit = "i=2256", "/Objects/nsu=urn:test:plant;Press/nsu=urn:test:plant;Temperature/EURange"
    wanted = [(node, "State"), (node, "BuildInfo.ManufacturerName"), (unit, "High"), (unit, "Middle")]
    plan = driver.plan_read([Tag(name=field, address=parse_address(text, field)) for text, field in wanted])
    await driver.connect()
    columns = await driver.read(plan)
    np.testing.assert_array_equal(columns.value[[0, 2, 3]], [0, 150, np.nan])
    assert isinstance(columns.exact[1], str)


async def test_what_does_not_change_stays_fresh(driver: OpcUa) -> None:
    plan = driver.plan_read([tag("Vibration")])
    await driver.connect()
    first = await driver.read(plan)
    later = await until(driver, plan, lambda c: c.at[0] > first.at[0] + 1_000_000_000)
    assert later.value.tolist() == first.value.tolist()


async def test_a_deadband_keeps_small_changes_back(driver: OpcUa, server: NodeServer) -> None:
    plan = driver.plan_read([tag("v1", deadband=10), tag("v2")])
    await driver.connect()
    server.set("v1", 6)
    server.set("v2", 6)
    columns = await until(driver, plan, lambda c: c.value[1] == 6)
    assert columns.value[0] == 1
    server.set("v1", 20)
    await until(driver, plan, lambda c: c.value[0] == 20)
    server.set("v1", 1)
    server.set("v2", 2)


async def test_a_queue_holds_what_changes_between_two_tellings(
    driver: OpcUa, server: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    hear = Subscription.hear
    monkeypatch.setattr(Subscription, "hear", lambda self, one: (told.append(one), hear(self, one)))
    wanted = Monitored(1.0, sampling=0.0, queue=5)
    plan = driver.plan_read([Tag(name="Vibration", address=parse_address(PLANT + "Vibration", "", wanted))])
    await driver.connect()
    for value in (11, 12, 13, 14):
        server.set("Vibration", value)
        await asyncio.sleep(0.05)
    await until(driver, plan, lambda c: c.value[0] == 14)
    assert max(len(one.handles) for one in told) > 1


async def test_more_nodes_than_the_server_takes_at_once(driver: OpcUa, server: NodeServer) -> None:
    names = [f"v{i}" for i in range(300)]
    subscribed, read = driver.plan_read([tag(n) for n in names]), driver.plan_read(tags_read(*names))
    await driver.connect()
    server.set("v299", 5)
    await until(driver, subscribed, lambda c: c.value[299] == 5)
    assert (await driver.read(read)).value[299] == 5
    server.set("v299", 299)


def tags_read(*names: str) -> list[Tag]:
    return [Tag(name=name, address=parse_address(PLANT + name)) for name in names]


async def test_an_item_that_died_in_silence_is_found_by_the_check(
    driver: OpcUa, server: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "CHECK_ALL", 0.3)
    monkeypatch.setattr(subscription, "CHECK_EVERY", 0.1)
    plan = driver.plan_read([tag("v5"), tag("v6")])
    await driver.connect()
    [made] = driver._known.subscriptions.values()
    silence = ua.SetPublishingModeParameters(PublishingEnabled=False, SubscriptionIds=[made.id])
    await driver.session._client.uaclient.set_publishing_mode(silence)
    server.set("v6", 60)
    with pytest.raises(LinkDown, match=r"s=v6 changes and the subscription does not tell"):
        await until(driver, plan, lambda _: False)
    server.set("v6", 6)


async def test_a_subscription_that_the_server_forgot_is_a_dead_link(
    driver: OpcUa, server: NodeServer
) -> None:
    plan = driver.plan_read([tag("v7")])
    await driver.connect()
    [made] = driver._known.subscriptions.values()
    await driver.session._client.uaclient.delete_subscriptions([made.id])
    with pytest.raises(LinkDown):
        await until(driver, plan, lambda _: False)
    await driver.connect()
    assert (await driver.read(plan)).value.tolist() == [7]


async def test_a_server_that_hangs_is_a_dead_link(
    server: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = OpcUa(server.url, timeout=0.5)
    plan = driver.plan_read([tag("Vibration")])
    await driver.connect()
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(LinkDown) as down:
            await until(driver, plan, lambda _: False)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert down.value.reason == Reason.TIMEOUT
    await driver.close()


@pytest.mark.parametrize("monitored", [None, Monitored(PERIOD)])
async def test_a_node_that_a_download_brings_is_found_without_a_restart(
    driver: OpcUa, server: NodeServer, monkeypatch: pytest.MonkeyPatch, monitored: Monitored | None
) -> None:
    monkeypatch.setattr(known, "LOOK_AGAIN", 0.2)
    name = "later" if monitored else "soon"
    path = f"/Objects/nsu=urn:test:plant;Press/nsu=urn:test:plant;{name}"
    plan = driver.plan_read([Tag(name=name, address=parse_address(path, "", monitored)), tag("v4")])
    await driver.connect()
    np.testing.assert_array_equal((await driver.read(plan)).value, [np.nan, 4])
    server.set(name, 12.5)
    with pytest.raises(LinkDown, match="the nodes of the server changed"):
        await until(driver, plan, lambda _: False)
    await driver.connect()
    assert (await driver.read(plan)).value.tolist() == [12.5, 4]


async def test_units_and_ranges_that_differ_are_told_once(
    driver: OpcUa, caplog: pytest.LogCaptureFixture
) -> None:
    address = parse_address(PLANT + "Temperature")
    right = Tag(name="right", address=address, unit="degC", low=-20, high=150)
    scaled = Tag(name="scaled", address=address, unit="degF", scale=1.8, offset=32)
    wrong = Tag(name="wrong", address=address, unit="K", low=0, high=150)
    driver.plan_read([right, scaled, wrong])
    await driver.connect()
    await driver.connect()
    said = [r.getMessage().split(") ")[1] for r in caplog.records if r.name.startswith("edge_agent")]
    assert said == [
        "is in '°C' by the server, in 'K' by the tag",
        "is -20..150 by the server, 0..150 by the tag",
    ]


async def test_a_write_is_verified_by_this_server_too(driver: OpcUa, server: NodeServer) -> None:
    names = ["Count", "v8", "State"]
    read, write = driver.plan_read(tags_read(*names)), driver.plan_write(tags_read(*names))
    fixed = driver.plan_write(tags_read("v8", "Fixed"))
    await driver.connect()
    await driver.write(write, [65535, -0.5, -(2**31)])
    assert (await driver.read(read)).value.tolist() == [65535, -0.5, -(2**31)]
    await driver.write(write, [7, 8, 3])
    with pytest.raises(Refused, match=r"^Fixed .*BadNotWritable$"):
        await driver.write(fixed, [1.0, 1.0])


async def test_one_slow_node_does_not_hold_up_a_subscription(driver: OpcUa, server: NodeServer) -> None:
    plan = driver.plan_read([tag("Slow"), tag("v9")])
    await driver.connect()
    server.set("v9", 90)
    await until(driver, plan, lambda c: c.value[1] == 90)
    server.set("v9", 9)


async def test_a_server_with_few_sessions_gets_each_back(driver: OpcUa) -> None:
    plan = driver.plan_read([tag("v3")])
    for _ in range(MOST_SESSIONS + 2):
        await driver.connect()
        assert (await driver.read(plan)).value.tolist() == [3]


def run(*words: str, code: int = 0) -> str:
    ended = CliRunner().invoke(main, list(words))
    assert ended.exit_code == code, ended.output
    return ended.output


def test_what_was_browsed_is_a_tag_file(server: NodeServer, tmp_path: Path) -> None:
    tree = run("browse", server.url, "--insecure", "--filter", "Press").splitlines()
    assert "Press" in tree[0]
    lines = {line.split()[0]: line.split()[1:] for line in tree}
    assert lines["Vibration"][:3] == ["nsu=urn:test:plant;s=Vibration", "Double", "rw"]
    assert lines["Fixed"][1:] == ["Double", "1"]
    assert lines["Temperature"][2:] == ["rw", "60", "°C"]
    assert lines["Curve"][1] == "Double[]"
    one = json.loads(
        run("browse", server.url, "--insecure", "--start", "nsu=urn:test:plant;s=Count", "--json")
    )
    assert [(node["name"], node["value"], node["type"]) for node in one] == [("Count", 7, "UInt16")]

    file = tmp_path / "press.csv"
    assert run("browse", server.url, "--insecure", "--filter", "Press", "--csv", str(file)).startswith(
        f"{file}: "
    )
    assert "Temperature,nsu=urn:test:plant;s=Temperature,,°C,-20,150" in file.read_text(encoding="utf-8")
    assert "exists already" in run("browse", server.url, "--insecure", "--csv", str(file), code=1)
    config = tmp_path / "plant.toml"
    config.write_text(
        f'[agent]\nstate = "."\n[device.press]\ndriver = "opc-ua"\nurl = "{server.url}"\ntimeout = "5s"\n'
        'security = "none"\ntags = "press.csv"\n',
        encoding="utf-8",
    )
    assert "60 °C" in " ".join(run("read", str(config), "press.Temperature").split())
    [told] = json.loads(run("read", str(config), "press.Temperature", "--json"))
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["time"])
    assert "Vibration" in run("browse", "press", "--config", str(config))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["opc.tcp://localhost:4840"], "say --insecure"),
        (["press"], "say --config"),
        (["opc.tcp://127.0.0.1:1", "--insecure"], "Connection refused"),
    ],
)
def test_what_cannot_be_browsed_is_told(words: list[str], says: str) -> None:
    assert says in run("browse", *words, code=1)


def test_a_start_that_is_not_there_is_told(server: NodeServer) -> None:
    said = run("browse", server.url, "--insecure", "--start", "/Objects/9:Press", code=1)
    assert "leads to no node" in said
