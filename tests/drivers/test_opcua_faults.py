"""What the OPC UA driver makes of a server that is absent, dies, hangs, restarts changed, or lies."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import psutil
import pytest
from opcua_process import PLANT, Server, free_port, tags

from edge_agent.core.tags import Quality, Reason, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.opcua.address import Monitored, parse_address
from edge_agent.drivers.opcua.breaking import breaking
from edge_agent.drivers.opcua.driver import OpcUa

pytestmark = [pytest.mark.sockets, pytest.mark.usefixtures("collected")]

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def driver(server: Server) -> AsyncIterator[OpcUa]:
    driver = OpcUa(server.url, timeout=2)
    yield driver
    await driver.close()


@pytest.fixture
def frozen(server: Server) -> Iterator[Callable[[], None]]:
    yield lambda: server.send(signal.SIGSTOP)
    server.send(signal.SIGCONT)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    async with await asyncio.start_server(handler, "127.0.0.1", free_port()) as server:
        yield f"opc.tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def descriptors() -> int:
    await asyncio.sleep(0.01)
    return psutil.Process().num_fds()


async def test_an_absent_server_is_known_at_once() -> None:
    driver = OpcUa(f"opc.tcp://127.0.0.1:{free_port()}", timeout=5)
    before, started = await descriptors(), time.monotonic()
    with pytest.raises(LinkDown, match="Connection refused") as down:
        await driver.connect()
    await driver.close()
    assert time.monotonic() - started < 0.5
    assert down.value.reason == Reason.NO_LINK
    assert await descriptors() == before


async def test_fifty_connections_leave_no_task_and_no_socket(driver: OpcUa) -> None:
    tasks, before = asyncio.all_tasks(), await descriptors()
    plan = driver.plan_read(tags("Double"))
    for _ in range(50):
        await driver.connect()
        assert (await driver.read(plan))[0].quality == Quality.GOOD
        await driver.close()
    await driver.close()
    assert await descriptors() == before
    assert asyncio.all_tasks() == tasks


async def test_a_silent_server_costs_the_deadline_of_the_caller(
    driver: OpcUa, frozen: Callable[[], None]
) -> None:
    before = await descriptors()
    plan = driver.plan_read(tags("Double"))
    await driver.connect()
    frozen()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await driver.read(plan)
    assert time.monotonic() - started < 0.4
    await driver.close()
    assert time.monotonic() - started < 1.2
    assert await descriptors() == before


async def test_a_silent_server_cannot_be_connected_to(server: Server, frozen: Callable[[], None]) -> None:
    before = await descriptors()
    driver = OpcUa(server.url, timeout=0.3)
    frozen()
    with pytest.raises(LinkDown) as down:
        await driver.connect()
    assert down.value.reason == Reason.TIMEOUT
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await driver.connect()
    await driver.close()
    assert await descriptors() == before


async def test_a_killed_server_is_a_dead_link_and_a_changed_namespace_index_is_found(server: Server) -> None:
    driver = OpcUa(server.url, timeout=2)
    read, write = driver.plan_read(tags("Double")), driver.plan_write(tags("UInt16"))
    before = await descriptors()
    await driver.connect()
    server.kill()
    with pytest.raises(LinkDown, match=r"closed|lost|disconnected|reset"):
        await driver.read(read)
    with pytest.raises(LinkDown, match="disconnected"):
        await driver.write(write, [1.0])
    await driver.close()
    assert await descriptors() == before

    server.start("urn:other:a", "urn:other:b")
    await driver.connect()
    await driver.write(write, [54321.0])
    assert (await driver.read(read))[0].value == 0.1
    await driver.close()
    assert await descriptors() == before


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
    await silent(reader, writer)


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.close()


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def refuses_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    bad_tcp_server_too_busy = (0x807D0000).to_bytes(4, "little")
    writer.write(b"ERRF" + (16).to_bytes(4, "little") + bad_tcp_server_too_busy + b"\xff" * 4)
    await silent(reader, writer)


@pytest.mark.parametrize("handler", [silent, garbage, hangs_up, resets, refuses_hello])
async def test_whatever_answers_instead_of_a_server_is_a_dead_link(handler: Handler) -> None:
    before = await descriptors()
    async with serving(handler) as url:
        driver = OpcUa(url, timeout=0.3)
        with pytest.raises(LinkDown, match=url):
            await driver.connect()
        await driver.close()
    await asyncio.sleep(0.01)
    assert await descriptors() == before


def monitored(*names: str) -> list[Tag]:
    return [Tag(name=n, address=parse_address(PLANT + n, "", Monitored(0.05))) for n in names]


async def test_damaged_replies_are_a_dead_link_and_nothing_else(server: Server) -> None:
    dice = random.Random(1)
    damaging = False

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool) -> None:
        while data := bytearray(await reader.read(65536)):
            if replies and damaging:
                data[dice.randrange(min(48, len(data) - 1), len(data))] = dice.randrange(256)
            writer.write(data)
        writer.close()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to, back = await asyncio.open_connection("127.0.0.1", server.port)
        one, other = pump(reader, back, replies=False), pump(to, writer, replies=True)
        await asyncio.gather(one, other, return_exceptions=True)

    reasons = []
    async with serving(proxy) as url:
        driver = OpcUa(url, timeout=0.2)
        read = driver.plan_read(tags("Double", "text", "array", "unknown", "UInt16"))
        write = driver.plan_write(tags("Double"))
        told = driver.plan_read(monitored("Double", "Float", "text"))
        for _ in range(250):
            damaging = False
            try:
                await driver.connect()
            except LinkDown:  # a busy machine: this round shows nothing
                continue
            damaging = True
            try:
                await driver.read(read)
                await driver.read(told)
                await driver.write(write, [0.1])
            except LinkDown as down:
                reasons.append(down.reason)
            except Refused:
                continue
        damaging = False
        await driver.close()
        await asyncio.sleep(0.05)
    assert Reason.BAD_REPLY in reasons


async def test_a_deadline_is_kept_when_the_stack_raises_its_own_kind_of_cancellation() -> None:
    class Raced(asyncio.CancelledError):
        pass

    async def request() -> None:
        with breaking("opc.tcp://127.0.0.1:1"):
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                raise Raced from None

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await request()
