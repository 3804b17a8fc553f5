"""What servers do in plants: clocks that are wrong, slow answers, few sessions, a download into the PLC."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from authority import identity
from click.testing import CliRunner
from node_opcua import NodeServer
from opcua_process import PLANT, free_port, tags

from edge_agent.cli import main
from edge_agent.core.tags import Quality, Reason, Tag
from edge_agent.device import Device
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.opcua import clock
from edge_agent.drivers.opcua.address import Monitored, parse_address
from edge_agent.drivers.opcua.breaking import BUSY, Insecure
from edge_agent.drivers.opcua.driver import OpcUa
from edge_agent.drivers.opcua.security import Security
from edge_agent.pki.folder import PkiFolder

pytestmark = pytest.mark.sockets
AHEAD, SLOW = 120.0, 3.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    odd = {"ahead": AHEAD, "slow": 1000 * SLOW, "maxSessions": 1, "maxNodesPerRead": 2, "silent": True}
    server = NodeServer(tmp_path_factory.mktemp("peer"), free_port(), count=3, **odd).start()
    yield server
    server.kill()


@pytest.fixture
async def driver(server: NodeServer) -> AsyncIterator[OpcUa]:
    driver = OpcUa(server.url, 30, expiry=3)
    yield driver
    await driver.close()


def ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("edge_agent")]


class TestClocks:
    async def test_a_server_that_is_ahead_is_told_of_once(
        self, driver: OpcUa, caplog: pytest.LogCaptureFixture
    ) -> None:
        plan = driver.plan_read(tags("v0"))
        for _ in range(2):
            await driver.connect()
            assert (await driver.read(plan)).quality.tolist() == [Quality.GOOD]
        (said,) = ours(caplog)
        assert said.endswith("the server's clock is 120 s ahead of ours; set the one that is wrong")

    @pytest.mark.parametrize("monitored", [None, Monitored(0.1)])
    async def test_a_device_behind_it_whose_time_is_off_is_named(
        self,
        driver: OpcUa,
        server: NodeServer,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
        monitored: Monitored | None,
    ) -> None:
        monkeypatch.setattr(clock, "EVERY", 0.0)
        names = [f"clock{n}{'' if monitored is None else 'm'}" for n in range(3)]
        for name in names:
            server.set(name, 1)
        plan = driver.plan_read([Tag(name=n, address=parse_address(PLANT + n, "", monitored)) for n in names])
        await driver.connect()
        await driver.read(plan)
        caplog.clear()

        async def said(text: str) -> None:
            async with asyncio.timeout(30):
                while text not in caplog.text:
                    assert ((await driver.read(plan)).quality == Quality.GOOD).all()
                    await asyncio.sleep(0.05)

        server.set(names[0], 2, ahead=600)
        await said(f"{names[0]} ({PLANT}{names[0]}) has a time that is 600 s ahead of the server; look at")
        server.set(names[1], 2, ahead=-7200)
        await said(
            "s behind the server; look at the clock of the device behind it (it may run on local time)"
        )
        assert len(ours(caplog)) == 2

    def test_both_times_of_a_value_are_kept(self, server: NodeServer, tmp_path: Path) -> None:
        server.set("v1", 1, ahead=-3600)
        config = tmp_path / "c.toml"
        config.write_text(
            f'[agent]\nstate = "state"\n[device.a]\ndriver = "opc-ua"\nurl = "{server.url}"\n'
            f'security = "none"\nclock_tolerance = "1h"\ntimeout = "20s"\nscan = "100ms"\n'
            f'tags = [{{ name = "v1", node = "{PLANT}v1" }}]\n'
        )
        read = CliRunner().invoke(main, ["read", str(config), "--json"])
        (reading,) = json.loads(read.stdout)
        source, served = (datetime.fromisoformat(reading[name]) for name in ("time", "server_time"))
        now = datetime.now(UTC) + timedelta(seconds=AHEAD)
        assert abs(source + timedelta(hours=1) - now) < timedelta(minutes=1)
        assert abs(served - now) < timedelta(minutes=1)
        shown = CliRunner().invoke(main, ["read", str(config), "--times"]).stdout
        assert f"GOOD  source {reading['time']}  server 2" in shown
        words = ["record", str(config), "-o", str(tmp_path / "o.csv"), "--seconds", "4", "--times"]
        assert CliRunner().invoke(main, words).exit_code == 0
        head, *rows = (tmp_path / "o.csv").read_text().splitlines()
        assert head == "time,a.v1,a.v1@source,a.v1@server"
        assert any(row.split(",")[1:3] == ["1", reading["time"]] for row in rows)

    async def test_a_certificate_of_another_time_is_refused_by_name(self, tmp_path: Path) -> None:
        day = timedelta(days=1)
        early = identity("plc", hosts=("localhost",), start=datetime.now(UTC) + day)
        plc = identity("plc", hosts=("localhost",))
        folder = PkiFolder(tmp_path / "pki")
        (own,) = folder.own(datetime.now(UTC))
        for one in (early, plc):
            folder.add("trusted/certs", one.der, f"{one.certificate.serial_number}.der")
        server = NodeServer(tmp_path, free_port(), early, policies=["Basic256Sha256"], ahead=2 * 86400)
        server.trust(own.file.read_bytes())
        driver = OpcUa(server.url, 30, Security(folder.folder))
        try:
            await asyncio.to_thread(server.start)
            with pytest.raises(Insecure, match=r"notBefore: .*BadCertificateTimeInvalid"):
                await driver.connect()
            server.kill()
            server.present(plc)
            server.options["ahead"] = -20 * 365 * 86400
            await asyncio.to_thread(server.start)
            with pytest.raises(Insecure, match="BadCertificateTimeInvalid") as refused:
                await driver.connect()
            assert refused.value.ours
        finally:
            await driver.close()
            server.kill()


class TestSlowAnswers:
    async def test_later_than_the_deadline_is_a_timeout(self, server: NodeServer) -> None:
        hasty = OpcUa(server.url, SLOW / 2, expiry=3)
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


async def test_a_limit_that_is_not_told_is_found(driver: OpcUa) -> None:
    plan = driver.plan_read(tags("v0", "v1", "v2", "Count", "State"))
    await driver.connect()
    assert (await driver.read(plan)).quality.tolist() == [Quality.GOOD] * 5


async def test_of_many_nodes_the_one_that_is_unknown_suffers_alone(driver: OpcUa) -> None:
    plan = driver.plan_read(tags("v0", "gone", "v2"))
    await driver.connect()
    columns = await driver.read(plan)
    np.testing.assert_array_equal(columns.value, [0, np.nan, 2])
    assert columns.reason.tolist() == [Reason.NONE, Reason.DEVICE_REFUSED, Reason.NONE]
    assert columns.said == {1: "BadNodeIdUnknown"}


class TestDownload:
    async def test_another_type_under_a_living_session(self, driver: OpcUa, server: NodeServer) -> None:
        server.set("made", 3, type="Int16")
        both = tags("made", "v2")
        plan, outputs = driver.plan_read(both), driver.plan_write(both)
        await driver.connect()
        await driver.write(outputs, [4, 5])
        assert (await driver.read(plan)).value.tolist() == [4, 5]
        server.set("made", 3, type="Double")
        with pytest.raises(Refused, match=r"made .*: BadTypeMismatch"):
            await driver.write(outputs, [6, 6])
        await driver.write(outputs, [4.5, 2])
        assert (await driver.read(plan)).value.tolist() == [4.5, 2]

    async def test_other_indices_and_other_types_after_a_restart(
        self, driver: OpcUa, server: NodeServer
    ) -> None:
        both = tags("v0", "v1")
        plan, outputs = driver.plan_read(both), driver.plan_write(both)
        await driver.connect()
        await driver.write(outputs, [7.5, 8.5])
        await asyncio.to_thread(server.kill)
        server.options |= {"namespaces": ["urn:new:program"], "types": {"v0": "Int16", "v1": "Float"}}
        await asyncio.to_thread(server.start)
        with pytest.raises(LinkDown):
            await driver.read(plan)
        await driver.connect()
        with pytest.raises(Refused, match=r"Int16 cannot hold 7\.5"):
            await driver.write(outputs, [7.5, 8.5])
        await driver.write(outputs, [7, 8.5])
        assert (await driver.read(plan)).value.tolist() == [7, 8.5]


async def test_indices_that_move_under_a_living_session_end_it(driver: OpcUa, server: NodeServer) -> None:
    plan, outputs = driver.plan_read(tags("v2")), driver.plan_write(tags("v2"))
    await driver.connect()
    namespaces = driver.session.namespaces
    server.claim([*namespaces, "urn:added"])
    await asyncio.sleep(2)
    await driver.write(outputs, [2])
    try:
        server.claim([*namespaces[:-1], "urn:new", namespaces[-1]])
        async with asyncio.timeout(30):
            with pytest.raises(LinkDown, match="namespaces have other indices now"):  # noqa: PT012 - the last of many
                while True:
                    await driver.read(plan)
                    await asyncio.sleep(0.1)
        with pytest.raises(LinkDown, match="namespaces have other indices now"):
            await driver.write(outputs, [3])
    finally:
        server.claim(namespaces)


async def test_without_a_free_session_it_waits_until_one_is(
    driver: OpcUa, server: NodeServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = OpcUa(server.url, 30, expiry=3)
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
