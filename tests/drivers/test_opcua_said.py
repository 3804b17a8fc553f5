"""What a server says beside its values, and what it makes of what it was asked for: node-opcua."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from node_opcua import NodeServer
from opcua_process import PLANT, tags

from edge_agent.cli import main
from edge_agent.core.tags import Columns, Quality, Reason, Tag
from edge_agent.drivers.opcua import known, subscription
from edge_agent.drivers.opcua.address import Monitored, parse_address
from edge_agent.drivers.opcua.datatypes import Described
from edge_agent.drivers.opcua.driver import OpcUa
from edge_agent.drivers.opcua.plans import ReadPlan
from edge_agent.drivers.opcua.status import name
from edge_agent.drivers.opcua.values import Reader
from edge_agent.drivers.opcua.wire import Values

pytestmark = pytest.mark.sockets


@pytest.fixture
async def driver(plant: NodeServer) -> AsyncIterator[OpcUa]:
    driver = OpcUa(plant.url, timeout=5)
    yield driver
    await driver.close()


def tag(name: str, monitored: Monitored | None = None, **more: float) -> Tag:
    return Tag(name=name, address=parse_address(PLANT + name, "", monitored), **more)  # type: ignore[arg-type]


async def until(driver: OpcUa, plan: ReadPlan, true: Callable[[Columns], bool]) -> Columns:
    async with asyncio.timeout(20):
        while not true(columns := await driver.read(plan)):  # noqa: ASYNC110 - a scan is what is played
            await asyncio.sleep(0.05)
    return columns


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0x0000_0000, "Good"),
        (0x0000_0480, "Good"),
        (0x0096_0000, "GoodLocalOverride"),
        (0x0030_0500, "GoodClamped"),
        (0x8034_0400, "BadNodeIdUnknown"),
        (0x408F_0480, "UncertainNoCommunicationLastUsableValue"),
        (0x4090_4000, "UncertainLastUsableValue"),
        (0x00FF_0000, "Good 0x00FF0000"),
        (0xC034_0000, "Bad 0xC0340000"),
    ],
)
def test_a_sub_code_has_its_name_whatever_else_is_said(status: int, said: str) -> None:
    assert name(status) == said
    columns = Reader(tags("a"), print).columns(Values([1.5], [status], [0], [0]), Described(), 0)
    assert columns[0].said == ("" if said == "Good" else said)
    assert (
        columns[0].quality == Quality.GOOD if said.startswith("Good") else columns[0].quality < Quality.GOOD
    )


SAID = {
    "GoodLocalOverride": (Quality.GOOD, Reason.NONE),
    "GoodClamped": (Quality.GOOD, Reason.NONE),
    "UncertainSubNormal": (Quality.UNCERTAIN, Reason.DEVICE_UNCERTAIN),
    "UncertainLastUsableValue": (Quality.BAD, Reason.STALE),
    "BadNoCommunication": (Quality.BAD, Reason.NO_LINK),
    "BadWaitingForInitialData": (Quality.BAD, Reason.NEVER_READ),
    "BadSensorFailure": (Quality.BAD, Reason.DEVICE_REFUSED),
}


@pytest.mark.parametrize("monitored", [None, Monitored(0.1)])
async def test_the_servers_word_is_kept(
    driver: OpcUa, plant: NodeServer, monitored: Monitored | None
) -> None:
    names = [f"v{row}" for row in range(len(SAID))]
    plan = driver.plan_read([tag(name, monitored) for name in names])
    await driver.connect()
    for row, (name_, status) in enumerate(zip(names, SAID, strict=True)):
        plant.set(name_, row, status)
    try:
        columns = await until(driver, plan, lambda c: len(c.said) == len(SAID))
        assert list(columns.said.values()) == list(SAID)
        assert list(zip(columns.quality, columns.reason, strict=True)) == list(SAID.values())
    finally:
        for row, name_ in enumerate(names):
            plant.set(name_, row)


def test_a_value_that_is_forced_is_seen_and_recorded(plant: NodeServer, tmp_path: Path) -> None:
    config, out = tmp_path / "c.toml", tmp_path / "o.csv"
    config.write_text(
        f'[agent]\nstate = "state"\n[device.a]\ndriver = "opc-ua"\nurl = "{plant.url}"\nsecurity = "none"\n'
        f'timeout = "5s"\nscan = "100ms"\ntags = [{{ name = "v", node = "{PLANT}v8" }}]\n'
    )
    plant.set("v8", 9, "GoodLocalOverride")
    try:
        assert "GOOD  GoodLocalOverride" in CliRunner().invoke(main, ["read", str(config)]).output
        words = ["record", str(config), "-o", str(out), "--seconds", "3", "--said"]
        assert CliRunner().invoke(main, words).exit_code == 0
    finally:
        plant.set("v8", 8)
    head, *rows = out.read_text().splitlines()
    assert head == "time,a.v,a.v@said"
    assert any(row.endswith(",9,GoodLocalOverride") for row in rows)


async def test_a_range_that_changes_is_compared_again_and_ends_no_session(
    driver: OpcUa, plant: NodeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(known, "LOOK_AGAIN", 0.2)
    monkeypatch.setattr(subscription, "CHECK_ALL", 0.1)
    monkeypatch.setattr(subscription, "CHECK_EVERY", 0.1)
    plan = driver.plan_read([tag("Temperature", Monitored(0.1), low=-20, high=150)])
    await driver.connect()
    session = driver.session
    try:
        for high in (200, 300):
            plant.order(range=[-20, high], name="Temperature")
            await until(driver, plan, lambda _, high=high: f"is -20..{high} by the server" in caplog.text)
            for _ in range(10):
                assert (await driver.read(plan))[0].quality == Quality.GOOD
                await asyncio.sleep(0.05)
    finally:
        plant.order(range=[-20, 150], name="Temperature")
    assert driver.session is session


async def test_a_server_that_looks_less_often_is_told_of_and_its_values_are_older(
    driver: OpcUa, plant: NodeServer, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Monitored(0.1, queue=100_000)
    plan = driver.plan_read([tag("v9", asked), tag("Slow", asked), tag("Count", Monitored(0.1))])
    for _ in range(2):
        await driver.connect()
        columns = await driver.read(plan)
        np.testing.assert_array_equal(columns.at[0] - columns.at, [0, 900_000_000, 0])
        assert columns.at[0] > time.monotonic_ns() - 5_000_000_000
    older = "values count as that much older; give such a tag a slower scan"
    lost = "of what changes faster than it tells the oldest are lost"
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("edge_agent")]
    assert [text.split(": ", 1)[1] for text in ours] == [
        f"looks at Slow ({PLANT}Slow) every 1 s, not every 0.1 s: {older}",
        f"keeps 5000 values of v9 ({PLANT}v9) and 1 more, not 100000: {lost}",
    ]
