"""Modbus over TLS, UDP and RTU over TCP, made as the configuration makes them, against pymodbus servers."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from memory_line import tags
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer, ModbusUdpServer
from tls_plant import UNIT, Plant, device, listening

from edge_agent.config.links import Link, LinkTable, TcpTable, UdpTable
from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.drivers.modbus.frames import Frame
from edge_agent.drivers.modbus.frames.mbap import Mbap
from edge_agent.links import Links

pytestmark = pytest.mark.sockets


def driver_on(table: LinkTable, timeout: float = 1.0) -> Modbus:
    return Modbus(Links().of(Link(name="link", table=table)), UNIT, timeout=timeout)


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


async def test_pipelined_requests_over_tcp_may_be_answered_in_any_order() -> None:
    """The server answers once four requests are there, the last one first."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer, waiting = Mbap(), list[Frame]()
        with suppress(ConnectionResetError):  # that is how a connection ends
            while data := await reader.read(4096):
                waiting += framer.feed(data)
                if len(waiting) == 4:
                    for asked in reversed(waiting):
                        reply = b"\x03\x02" + asked.pdu[1:3]
                        writer.write(framer.encode(asked.transaction, asked.unit, reply))
                    waiting.clear()
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    driver = driver_on(TcpTable(transport="tcp", host="127.0.0.1", port=port, pipelining=4))
    await driver.connect()
    for _ in range(5):
        plan = driver.plan_read(tags(UNIT, range(0, 800, 100)))
        assert (await driver.read(plan)).value.tolist() == list(range(0, 800, 100))
    await driver.close()
    await ended.wait()
    server.close()


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
