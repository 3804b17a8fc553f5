"""Clocks that are off are told of once, by name, and when they are right again."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from authority import identity
from click.testing import CliRunner
from node_opcua import NodeServer
from odd_server import AHEAD
from opcua_process import PLANT, free_port, tags

from edge_agent.cli import main
from edge_agent.core.tags import Columns, Quality, Reason, Tag
from edge_agent.drivers.opcua import clock
from edge_agent.drivers.opcua.address import Monitored, parse_address
from edge_agent.drivers.opcua.breaking import Insecure
from edge_agent.drivers.opcua.clock import EVERY, Clock, Times
from edge_agent.drivers.opcua.driver import OpcUa
from edge_agent.drivers.opcua.security import Security
from edge_agent.pki.folder import PkiFolder

NOW = 1_800_000_000.0


@pytest.fixture
async def driver(odd: NodeServer) -> AsyncIterator[OpcUa]:
    driver = OpcUa(odd.url, 30, expiry=3)
    yield driver
    await driver.close()


def ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("edge_agent")]


@pytest.fixture
def told() -> list[str]:
    return []


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


def columns(*seconds: float | None) -> Columns:
    """Values whose source times are so far from now; None for one that has no time."""
    source = [0 if s is None else int((NOW + s) * 1e9) for s in seconds]
    return replace(Columns.bad(len(source), Reason.NONE, 0), source=np.array(source, np.int64))


def test_a_server_is_told_of_when_it_goes_wrong_and_when_it_is_right_again(told: list[str]) -> None:
    clock = Clock(60, told.append)
    for ahead in (0, 59, 61, 90, -3600, 10, 0, -7205):
        clock.hear(at(ahead), NOW)
    assert told == [
        "the server's clock is 61 s ahead of ours; set the one that is wrong",
        "the server's clock is right again",
        "the server's clock is 7205 s behind ours; set the one that is wrong (it may run on local time)",
    ]


def test_an_old_time_is_wrong_only_if_it_is_new(told: list[str]) -> None:
    times = Times(tags("a", "b", "c"), Clock(60, told.append))
    times.look(columns(-4000, -4000, None), NOW)
    times.look(columns(-4000, -4000, None), NOW + 1)
    times.look(columns(-4000, -3990, None), NOW + EVERY)
    assert [text[:2] for text in told] == ["b "]
    times.look(columns(-4000, -3980, None), NOW + 2 * EVERY)
    times.look(columns(-4000, 2 * EVERY, None), NOW + 3 * EVERY)
    assert len(told) == 1
    times.look(columns(-4000, -3970, None), NOW + 4 * EVERY)
    assert len(told) == 2


def test_a_time_in_the_future_is_wrong_from_the_first(told: list[str]) -> None:
    times = Times(tags("a", "b", "c"), Clock(60, told.append))
    times.look(columns(0, 61, 300), NOW)
    (text,) = told
    assert text.startswith(
        "c (nsu=urn:test:plant;s=c) has a time that is 300 s ahead of the server, and 1 more"
    )


def test_how_far_the_server_is_off_is_not_told_of_its_values(told: list[str]) -> None:
    clock = Clock(60, told.append)
    clock.hear(at(600), NOW)
    told.clear()
    Times(tags("a"), clock).look(columns(600), NOW)
    assert told == []


@pytest.mark.sockets
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
        odd: NodeServer,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
        monitored: Monitored | None,
    ) -> None:
        monkeypatch.setattr(clock, "EVERY", 0.0)
        names = [f"clock{n}{'' if monitored is None else 'm'}" for n in range(3)]
        for name in names:
            odd.set(name, 1)
        plan = driver.plan_read([Tag(name=n, address=parse_address(PLANT + n, "", monitored)) for n in names])
        await driver.connect()
        await driver.read(plan)
        caplog.clear()

        async def said(text: str) -> None:
            async with asyncio.timeout(30):
                while text not in caplog.text:
                    assert ((await driver.read(plan)).quality == Quality.GOOD).all()
                    await asyncio.sleep(0.05)

        odd.set(names[0], 2, ahead=600)
        await said(f"{names[0]} ({PLANT}{names[0]}) has a time that is 600 s ahead of the server; look at")
        odd.set(names[1], 2, ahead=-7200)
        await said(
            "s behind the server; look at the clock of the device behind it (it may run on local time)"
        )
        assert len(ours(caplog)) == 2

    def test_both_times_of_a_value_are_kept(self, odd: NodeServer, tmp_path: Path) -> None:
        odd.set("v1", 1, ahead=-3600)
        config = tmp_path / "c.toml"
        config.write_text(
            f'[agent]\nstate = "state"\n[device.a]\ndriver = "opc-ua"\nurl = "{odd.url}"\n'
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
