"""open62541, a server that nobody here wrote: policies, values of all kinds, subscriptions, refusals."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest
from authority import identity
from click.testing import CliRunner
from opcua_process import PLANT, free_port, tags
from open62541 import O6Server

from edge_agent.cli import main
from edge_agent.config import load
from edge_agent.config.tables import OpcUaTable
from edge_agent.core.tags import Quality, Reason, Tag
from edge_agent.device import Device, Written
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.opcua.address import Monitored, parse_address
from edge_agent.drivers.opcua.breaking import Insecure
from edge_agent.drivers.opcua.driver import OpcUa
from edge_agent.drivers.opcua.security import POLICIES, Security
from edge_agent.drivers.opcua.session import SESSION_TIMEOUT
from edge_agent.opcua import opcua
from edge_agent.pki.folder import PkiFolder

pytestmark = pytest.mark.sockets
PLC, STRANGER = identity("plc", hosts=("localhost",)), identity("stranger", hosts=("localhost",))
NODES = 1000


class Site:
    """A server that trusts us, and our folder of certificates, which trusts it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pki = folder, PkiFolder(folder / "pki")
        self.server = O6Server(folder, free_port(), PLC, count=NODES)
        (own,) = self.pki.own(datetime.now(UTC))
        self.server.trust(own.file)
        self.pki.add("trusted/certs", PLC.der, "plc.der")
        self.server.start()

    def driver(self, *, expiry: float = SESSION_TIMEOUT, **security: str) -> OpcUa:
        agreed = Security(self.pki.folder, **security)  # type: ignore[arg-type]
        return OpcUa(self.server.url, 5, agreed, expiry=expiry)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("open62541"))
    yield site
    site.server.kill()


@pytest.fixture
async def driver(site: Site) -> AsyncIterator[OpcUa]:
    driver = site.driver()
    yield driver
    await driver.close()


def monitored(name: str) -> Tag:
    return Tag(name=name, address=parse_address(PLANT + name, "", Monitored(0.1)))


@pytest.mark.parametrize("mode", ["sign-and-encrypt", "sign"])
@pytest.mark.parametrize("policy", POLICIES)
async def test_every_policy_in_both_modes(site: Site, policy: str, mode: str) -> None:
    driver = site.driver(policy=policy, mode=mode)
    plan = driver.plan_read(tags("Vibration"))
    try:
        await driver.connect()
        assert (await driver.read(plan)).value.tolist() == [1.5]
    finally:
        await driver.close()


async def test_a_server_that_is_not_trusted_gets_nothing(site: Site, tmp_path: Path) -> None:
    driver = OpcUa(site.server.url, 5, Security(tmp_path / "pki"))
    with pytest.raises(Insecure, match=r"plc: thumbprint: .* is not in trusted/certs") as refused:
        await driver.connect()
    await driver.close()
    assert not refused.value.ours
    [(_, kept)] = PkiFolder(tmp_path / "pki").listed("rejected")
    assert kept == PLC.certificate


async def test_values_of_all_kinds(driver: OpcUa) -> None:
    wanted = {
        ("Vibration", ""): 1.5,
        ("Count", ""): 7,
        ("Curve", "[2]"): 4,
        ("Curve", "[3]"): np.nan,
        ("Matrix", "[1,2]"): 6,
        ("Mode", ""): 2,
        ("Motor", "Current"): 12.5,
        ("Motor", "Torque"): np.nan,
        ("Motor", "Steps[1]"): 2.5,
        ("Motors", "[1].Torque"): 2,
        ("gone", ""): np.nan,
        ("Big", ""): 2.0**53,
        ("Text", ""): 7,
        ("Motor", "Name"): 4,
    }
    found = [Tag(name=n + f, address=parse_address(PLANT + n, f)) for n, f in wanted]
    plan = driver.plan_read(found)
    await driver.connect()
    columns = await driver.read(plan)
    np.testing.assert_array_equal(columns.value, list(wanted.values()))
    assert columns.exact == {11: 2**53 + 1, 12: "running", 13: "left"}
    assert found[5].meaning(columns[5]) == "FAULT"
    assert [columns.reason[row] for row in (3, 7)] == [Reason.UNDECODABLE, Reason.NO_VALUE]
    assert columns.said == {10: "BadNodeIdUnknown"}


async def test_a_thousand_nodes_read_and_told(driver: OpcUa, site: Site) -> None:
    names = [f"v{number}" for number in range(NODES)]
    read = driver.plan_read(tags(*names))
    told = driver.plan_read([monitored(name) for name in names])
    await driver.connect()
    assert (await driver.read(read)).value.tolist() == list(range(NODES))
    site.server.set("v999", 1.25)
    async with asyncio.timeout(20):
        while (await driver.read(told)).value[999] != 1.25:  # noqa: ASYNC110 - a scan is what is played
            await asyncio.sleep(0.05)
    assert (await driver.read(told)).value[:999].tolist() == list(range(999))
    site.server.set("v999", 999)


async def test_outputs_are_written_in_their_own_types_and_read_back(site: Site) -> None:
    driver = site.driver()
    device = Device("plc", driver)
    outputs = device.declare(tags("Vibration", "Count", "Mode"))
    task = asyncio.create_task(device.run())
    try:
        async with asyncio.timeout(20):
            while not device.healthy:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
        assert await device.write(outputs, [2.5, 65535, 1]) == (Written.VERIFIED, "")
        outcome, why = await device.write(outputs, [2.5, 65536, 1])
        assert (outcome, why.split(": ")[-1]) == (Written.REFUSED, "UInt16 cannot hold 65536")
        assert await device.write(outputs, [1.5, 7, 2]) == (Written.VERIFIED, "")
    finally:
        task.cancel()
        await device.close()


async def test_what_cannot_be_written_is_told_at_connect(
    driver: OpcUa, caplog: pytest.LogCaptureFixture
) -> None:
    outputs = driver.plan_write(tags("Vibration", "Fixed"))
    await driver.connect()
    assert f"cannot be written: Fixed ({PLANT}Fixed): BadNotWritable" in caplog.text
    with pytest.raises(Refused, match=r"^Fixed .*: BadNotWritable"):
        await driver.write(outputs, [1, 1])


async def test_after_a_restart_it_comes_back_by_itself(site: Site) -> None:
    driver = site.driver()
    device = Device("plc", driver)
    plan = device.plan([monitored("Vibration")])
    task = asyncio.create_task(device.run())

    async def until(quality: Quality) -> None:
        async with asyncio.timeout(30):
            while (await device.read(plan, 1)).quality[0] != quality:  # noqa: ASYNC110 - as a scan does
                await asyncio.sleep(0.05)

    try:
        await until(Quality.GOOD)
        await asyncio.to_thread(site.server.kill)
        await until(Quality.BAD)
        await asyncio.to_thread(site.server.start)
        await until(Quality.GOOD)
    finally:
        task.cancel()
        await device.close()


async def test_a_hundred_lost_sockets_leave_nothing(site: Site) -> None:
    # The server has a hundred sessions, and keeps each one whose socket was lost until it expires.
    driver = site.driver(expiry=3, policy="Basic256Sha256")
    plans = [driver.plan_read([monitored("Vibration")]), driver.plan_read(tags("Count"))]
    me, seen = psutil.Process(), []
    for number in range(101):
        await driver.connect()
        values = [(await driver.read(plan)).value.tolist() for plan in plans]
        assert values == [[1.5], [7]]
        driver.session._client.uaclient.protocol.transport.abort()
        await asyncio.sleep(0)
        with pytest.raises(LinkDown):
            await driver.read(plans[1])
        if number % 20 == 0:
            await driver.close()
            await asyncio.sleep(0.1)
            gc.collect()
            seen.append((len(asyncio.all_tasks()), me.num_fds(), me.memory_info().rss))
    tasks, descriptors, memory = zip(*seen[1:], strict=True)
    assert len(set(tasks)) == len(set(descriptors)) == 1
    assert max(memory) - memory[0] < 5_000_000


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration of a server that does not trust us: it sends an error message and hangs up."""
    folder = tmp_path_factory.mktemp("refusing")
    server = O6Server(folder, free_port(), STRANGER).start()
    PkiFolder(folder / "state/pki").add("trusted/certs", STRANGER.der, "stranger.der")
    config = folder / "plant.toml"
    config.write_text(
        f'[agent]\nstate = "state"\n[device.press]\ndriver = "opc-ua"\nurl = "{server.url}"\n'
        f'timeout = "5s"\ntags = [{{ name = "vib", node = "{PLANT}Vibration" }}]\n'
    )
    yield config
    server.kill()


async def test_its_refusal_is_told_once_however_often_it_is_tried(
    refused: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.drivers.opcua.breaking.PATIENCE", 0.1)
    caplog.set_level(logging.DEBUG)
    (described,) = load(refused).devices
    assert isinstance(described.table, OpcUaTable)
    device = Device("press", opcua(described.table))
    task = asyncio.create_task(device.run())
    try:
        async with asyncio.timeout(60):
            while device.failures < 5:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await device.close()
    (told,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert "BadSecurityChecksFailed" in told


def test_its_refusal_is_explained_in_our_words_alone(refused: Path) -> None:
    said = CliRunner().invoke(main, ["pki", "explain", str(refused)])
    assert said.exit_code == 1
    assert "REFUSED by the server: " in said.output
    assert "thumbprint: not trusted there" in said.output
    assert "ErrorMessage" not in said.output
