"""Modbus over TLS, UDP and RTU over TCP, made as the configuration makes them, against pymodbus servers."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from authority import Identity, identity
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from memory_line import tags
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer, ModbusTlsServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_agent.config.links import Link, LinkTable, TcpTable, TlsTable, UdpTable
from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.links import Links

pytestmark = pytest.mark.sockets
UNIT = 3


def device() -> list[SimDevice]:
    return [SimDevice(UNIT, simdata=[SimData(0, values=list(range(200)), datatype=DataType.REGISTERS)])]


def driver_on(table: LinkTable, timeout: float = 1.0) -> Modbus:
    return Modbus(Links().of(Link(name="link", table=table)), UNIT, timeout=timeout)


@asynccontextmanager
async def listening(server: Any) -> AsyncIterator[int]:
    """A server at a free port."""
    await server.listen()
    transport = server.transport
    sock = transport.sockets[0] if hasattr(transport, "sockets") else transport.get_extra_info("socket")
    yield sock.getsockname()[1]
    await server.shutdown()


async def reads_and_writes(driver: Modbus) -> None:
    await driver.connect()
    plan = driver.plan_read(tags(UNIT, range(150)))
    for _ in range(3):
        assert (await driver.read(plan)).value.tolist() == list(range(150))
    await driver.write(driver.plan_write(tags(UNIT, (7, 8))), [700, 800])
    assert (await driver.read(driver.plan_read(tags(UNIT, (7, 8))))).value.tolist() == [700, 800]
    await driver.close()


async def once(driver: Modbus) -> None:
    await driver.connect()
    await driver.read(driver.plan_read(tags(UNIT)))


async def test_udp() -> None:
    async with listening(ModbusUdpServer(context=device(), address=("127.0.0.1", 0))) as port:
        await reads_and_writes(driver_on(UdpTable(transport="udp", host="127.0.0.1", port=port)))


async def test_rtu_over_tcp() -> None:
    server = ModbusTcpServer(context=device(), address=("127.0.0.1", 0), framer=FramerType.RTU)
    async with listening(server) as port:
        await reads_and_writes(driver_on(TcpTable(transport="rtu-over-tcp", host="127.0.0.1", port=port)))


async def test_nobody_at_a_udp_port_is_no_link() -> None:
    driver = driver_on(UdpTable(transport="udp", host="127.0.0.1", port=1))
    await driver.connect()
    with pytest.raises(LinkDown, match="refused") as down:
        await driver.read(driver.plan_read(tags(UNIT)))
    assert down.value.reason is Reason.NO_LINK


async def test_datagrams_that_come_twice_or_late_are_nobody_s() -> None:
    loop = asyncio.get_running_loop()

    class Twice(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport, self.before = transport, b""

        def datagram_received(self, data: bytes, address: Any) -> None:
            start, count = int.from_bytes(data[8:10]), int.from_bytes(data[10:12])
            words = b"".join((start + n).to_bytes(2) for n in range(count))
            reply = data[:4] + (3 + len(words)).to_bytes(2) + bytes((data[6], 3, len(words))) + words
            for each in (self.before, reply, reply):
                self.transport.sendto(each, address)
            self.before = reply

    transport, _ = await loop.create_datagram_endpoint(Twice, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    driver = driver_on(UdpTable(transport="udp", host="127.0.0.1", port=port, pipelining=3))
    await driver.connect()
    for n in range(100):
        plan = driver.plan_read(tags(UNIT, range(n, n + 500, 50)))
        assert (await driver.read(plan)).value.tolist() == list(range(n, n + 500, 50))
    await driver.close()
    transport.close()


def saved(who: Identity, folder: Path, name: str, passphrase: bytes = b"") -> tuple[Path, Path]:
    """Write a certificate and its key in PEM, the key locked with a passphrase."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_bytes(who.certificate.public_bytes(Encoding.PEM))
    lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    key.touch(0o600)
    key.write_bytes(who.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    return certificate, key


class Plant:
    """An authority, a server that trusts only its clients, and how a client says so in its configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = identity("authority", ca=True)
        self.ca, _ = saved(self.authority, folder, "ca")
        saved(identity("server", issuer=self.authority), folder, "server")
        saved(identity("agent", issuer=self.authority), folder, "agent", b"open sesame")
        saved(identity("stranger", issuer=identity("elsewhere", ca=True)), folder, "stranger")
        saved(identity("elsewhere", ca=True), folder, "elsewhere")
        (folder / "passphrase").touch(0o600)
        (folder / "passphrase").write_bytes(b"open sesame\n")

    def server(self) -> ModbusTlsServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return ModbusTlsServer(context=device(), address=("127.0.0.1", 0), sslctx=context)

    def table(self, port: int, who: str = "agent", ca: str = "ca", **keys: Any) -> TlsTable:
        return TlsTable(
            transport="tls",
            host="127.0.0.1",
            port=port,
            ca=str(self.folder / f"{ca}.crt"),
            certificate=str(self.folder / f"{who}.crt"),
            key=str(self.folder / f"{who}.key"),
            timeout=keys.pop("timeout", 2.0),
            **({"passphrase": "passphrase"} if who == "agent" else {}) | keys,
        )


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return Plant(tmp_path)


async def test_tls_with_certificates_on_both_sides(plant: Plant) -> None:
    async with listening(plant.server()) as port:
        await reads_and_writes(driver_on(plant.table(port)))


async def test_a_server_of_another_authority_is_not_talked_to(plant: Plant) -> None:
    async with listening(plant.server()) as port:
        with pytest.raises(LinkDown, match="certificate is not trusted") as down:
            await driver_on(plant.table(port, ca="elsewhere")).connect()
        assert down.value.patience > 0, "it does not get better by trying"


async def test_a_server_with_another_name_is_not_talked_to(plant: Plant) -> None:
    async with listening(plant.server()) as port:
        with pytest.raises(LinkDown, match=r"not trusted.*other\.plc"):
            await driver_on(plant.table(port, server_name="other.plc")).connect()


async def test_a_client_that_the_server_does_not_know_gets_no_value(plant: Plant) -> None:
    """With TLS 1.3 the client learns of it only after it has connected."""
    async with listening(plant.server()) as port:
        driver = driver_on(plant.table(port, who="stranger"))
        with pytest.raises(LinkDown) as down:
            await once(driver)
        assert down.value.reason is Reason.NO_LINK
        await driver.close()


async def test_a_server_without_tls_is_not_talked_to(plant: Plant) -> None:
    async with listening(ModbusTcpServer(context=device(), address=("127.0.0.1", 0))) as port:
        with pytest.raises(LinkDown):
            await driver_on(plant.table(port, timeout=0.3)).connect()


async def test_files_and_passphrases_that_cannot_be_used_are_named(plant: Plant) -> None:
    (plant.folder / "broken.crt").write_text("no certificate")
    (plant.folder / "wrong").touch(0o600)
    (plant.folder / "wrong").write_bytes(b"open barley\n")
    for table, said in (
        (plant.table(1, ca="broken"), r"broken\.crt: no certificates in PEM"),
        (plant.table(1, who="missing"), r"missing\.crt.*No such file"),
        (plant.table(1, passphrase="absent"), r"absent.*No such file"),
        (plant.table(1, passphrase="wrong"), r"agent\.key: no certificate and its key"),
    ):
        with pytest.raises(LinkDown, match=said) as down:
            await driver_on(table).connect()
        assert down.value.patience > 0
        assert "sesame" not in str(down.value)
