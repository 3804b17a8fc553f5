"""Secured sessions that live long, with node-opcua: pauses, trust withdrawn, certificates that end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asyncua import ua
from authority import NOW, URI, Identity, crl, identity
from cryptography.hazmat.primitives.serialization import Encoding
from node_opcua import NodeServer
from opcua_process import free_port, tags

from edge_agent.core.tags import Quality
from edge_agent.device import Device
from edge_agent.drivers.opcua import breaking, session
from edge_agent.drivers.opcua.certificates import Certificates
from edge_agent.drivers.opcua.driver import OpcUa
from edge_agent.drivers.opcua.security import Agreed, Security
from edge_agent.pki import manage
from edge_agent.pki.certificate import thumbprint
from edge_agent.pki.folder import PkiFolder

pytestmark = pytest.mark.sockets
WORKS = identity("works", ca=True)
PLC = identity("plc", issuer=WORKS, hosts=("localhost",), end=NOW + timedelta(days=300))
EXPIRY, CHANNEL, PAUSE = 3.0, 4.0, 14.0
"""Seconds: the server forgets a session, the keys of a channel end, nobody reads."""


class Site:
    """A server whose authority we trust, and which trusts us."""

    def __init__(self, folder: Path) -> None:
        self.pki = PkiFolder(folder / "pki")
        self.server = NodeServer(folder, free_port(), PLC, policies=["Basic256Sha256"], maxSessions=50)
        self.server.trust(self.pki.own(datetime.now(UTC))[0].file.read_bytes())
        self.trust()

    def trust(self, *revoked: Identity) -> None:
        self.pki.add("trusted/certs", WORKS.der, "works.der")
        self.pki.add("trusted/crl", crl(WORKS, *revoked).public_bytes(Encoding.DER), "works.crl")

    def driver(self) -> OpcUa:
        return OpcUa(self.server.url, 5, Security(self.pki.folder), expiry=EXPIRY)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("lasting"))
    site.server.start()
    yield site
    site.server.kill()


@pytest.fixture
async def driver(site: Site) -> AsyncIterator[OpcUa]:
    driver = site.driver()
    yield driver
    await driver.close()


class Running:
    """A device that is kept connected, and one tag of it."""

    def __init__(self, driver: OpcUa) -> None:
        self.device = Device("plc", driver)
        self.plan = self.device.plan(tags("Vibration"))

    async def becomes(self, quality: Quality, seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while (await self.device.read(self.plan, 1)).quality[0] != quality:  # noqa: ASYNC110 - as a scan does
                await asyncio.sleep(0.05)


@pytest.fixture
async def running(driver: OpcUa) -> AsyncIterator[Running]:
    running = Running(driver)
    task = asyncio.create_task(running.device.run())
    yield running
    task.cancel()
    await running.device.close()


async def test_a_long_pause_ends_no_session_and_one_that_is_forgotten_comes_back(
    site: Site,
    driver: OpcUa,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await running.becomes(Quality.GOOD)
    forgotten = driver.session
    assert forgotten._keeper is not None
    forgotten._keeper.cancel()
    monkeypatch.setattr(session, "CHANNEL_LIFETIME", int(1000 * CHANNEL))
    kept = site.driver()
    plan = kept.plan_read(tags("Vibration"))
    try:
        await kept.connect()
        before = kept.session
        await asyncio.sleep(PAUSE)
        assert (await kept.read(plan)).value.tolist() == [1.5]
        assert kept.session is before
    finally:
        await kept.close()
    await running.becomes(Quality.BAD)
    assert "BadSessionIdInvalid" in caplog.text
    await running.becomes(Quality.GOOD)
    assert driver.session is not forgotten
    assert running.device.failures == 1


@pytest.mark.parametrize(
    ("revoked", "why"),
    [
        ([PLC], "certificate refused: plc: serialNumber: was revoked by works"),
        ([], "certificate refused: plc: issuer: issuer works was not sent and is not here"),
    ],
)
async def test_trust_that_is_withdrawn_ends_the_session_and_comes_back_with_it(
    site: Site,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    revoked: list[Identity],
    why: str,
) -> None:
    monkeypatch.setattr(breaking, "PATIENCE", 0.2)
    await running.becomes(Quality.GOOD)
    if revoked:
        site.trust(*revoked)
    else:
        manage.reject(site.pki, thumbprint(WORKS.certificate))
    try:
        await running.becomes(Quality.BAD)
        told = [r.getMessage() for r in caplog.records if r.name == "edge_agent.contact"]
        assert [why in text for text in told] == [True]
    finally:
        site.trust()
    await running.becomes(Quality.GOOD)


async def test_a_successor_of_our_certificate_is_shown_to_a_server_that_we_are_with(
    site: Site, driver: OpcUa, caplog: pytest.LogCaptureFixture
) -> None:
    plan = driver.plan_read(tags("Vibration"))
    await driver.connect()
    before = driver.session
    newer = await asyncio.to_thread(site.pki.renew, datetime.now(UTC))
    rejected = site.server.pki / "rejected"
    async with asyncio.timeout(30):
        while f"does not take our new certificate {newer.file.name} yet" not in caplog.text:
            await asyncio.sleep(0.05)
            assert (await driver.read(plan)).value.tolist() == [1.5]
    assert driver.session is before
    assert any(thumbprint(newer.certificate) in file.name for file in rejected.iterdir())


def certificates(
    folder: Path, server: Identity, told: list[str], own: Identity | None = None
) -> Certificates:
    """What looks after a session with `server`, by our certificate, or one that an authority issued."""
    pki = PkiFolder(folder / "pki")
    pki.add("trusted/certs", server.der, "server.der")
    if own is not None:
        pki.own(datetime.now(UTC))
        for file in (*(pki.folder / "own/certs").iterdir(), *(pki.folder / "own/private").iterdir()):
            file.unlink()
        certificate, key = own.save(folder, "ours")
        certificate.rename(pki.folder / "own/certs/ours.der")
        key.chmod(0o600)
        key.rename(pki.folder / "own/private/ours.pem")
    endpoint = ua.EndpointDescription("opc.tcp://localhost:4840", ServerCertificate=server.der)
    endpoint.Server.ApplicationUri = URI
    ours = pki.own(datetime.now(UTC))[0]
    agreed = Agreed(Security(pki.folder), endpoint, server.certificate, ours, [], None)
    return Certificates("opc.tcp://localhost:4840", 1, agreed, told.append)


def ends(days: float) -> datetime:
    return NOW + timedelta(days=days)


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (31, None),
        (29, "within 30 days; have it renewed, and trust the new one"),
        (6, "within 7 days;"),
        (0.5, "within 1 day;"),
        (-0.5, "this session goes on, no other is opened"),
    ],
)
async def test_the_end_of_the_servers_certificate_is_told_in_good_time(
    tmp_path: Path, days: float, says: str | None
) -> None:
    told: list[str] = []
    plc = identity("plc", hosts=("localhost",), end=ends(days))
    watched = certificates(tmp_path, plc, told)
    assert await watched.examine() is None
    assert watched.ends["server"] == ends(days).timestamp()
    assert bool(told) == (says is not None)
    assert all(text.startswith("the server's certificate plc ") for text in told)
    assert says is None or says in told[0]
    assert await watched.examine() is None
    assert len(told) <= 1


async def test_the_end_of_a_certificate_that_was_issued_to_us_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    own = identity("ours", issuer=WORKS, uri="urn:ours", end=ends(5))
    watched = certificates(tmp_path, identity("plc", hosts=("localhost",), end=ends(300)), told, own)
    assert await watched.examine() is None
    renewal = "have it renewed by who issued it, and put the new one into own/certs"
    assert told == [f"our certificate ours.der ends on {ends(5):%Y-%m-%d}, within 7 days; {renewal}"]


async def test_a_folder_that_cannot_be_read_ends_no_session_and_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    watched = certificates(tmp_path, identity("plc", hosts=("localhost",), end=ends(300)), told)
    assert await watched.examine() is None
    (tmp_path / "pki/trusted/crl").rmdir()
    (tmp_path / "pki/trusted/crl").write_bytes(b"no folder")
    assert await watched.examine() is None
    (tmp_path / "pki/trusted/crl").unlink()
    for file in (tmp_path / "pki/own/certs").iterdir():
        file.write_bytes(b"half a certificate")
    assert await watched.examine() is None
    assert [text.split(":")[0] for text in told] == [
        "its certificate cannot be examined, the session goes on",
        "the session goes on, but the next will not begin",
    ]
