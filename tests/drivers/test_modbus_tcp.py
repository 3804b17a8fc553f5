"""Sockets that are watched together: opened, read in one wake-up, and lost."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from modbus_liar import TAGS, always, frame, right, served
from test_modbus_hostile import LIES

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.wires.tcp import Tcp, Watch

pytestmark = pytest.mark.sockets


@dataclass
class Ear:
    """Hears what a wire has to say."""

    heard: list[bytes] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    then: Callable[[], None] = lambda: None

    def received(self, data: bytes) -> None:
        self.heard.append(data)
        self.then()

    def lost(self, why: str) -> None:
        self.why.append(why)


@pytest.fixture
def listener() -> socket.socket:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


async def until(ready: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not ready():  # noqa: ASYNC110 - a socket tells nobody else
            await asyncio.sleep(0.005)


async def test_a_host_is_found_by_its_name(listener: socket.socket) -> None:
    wire = await Tcp("localhost", listener.getsockname()[1]).open(Ear(), 5)
    wire.close()


async def test_a_name_that_is_none_is_an_error_of_the_system() -> None:
    for name in ("a" * 64, "nobody.invalid"):
        with pytest.raises(OSError, match=r"named|not known|resolution"):
            await Tcp(name, 502).open(Ear(), 5)


async def test_who_refuses_is_no_connection(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        await Tcp("127.0.0.1", port).open(Ear(), 5)


async def test_the_end_is_told_once_also_when_something_is_sent_into_it(listener: socket.socket) -> None:
    ear = Ear()
    wire = await Tcp("127.0.0.1", listener.getsockname()[1]).open(ear, 5)
    listener.accept()[0].close()
    wire.send(b"\0")
    wire.send(b"\0")
    await until(lambda: ear.why)
    await asyncio.sleep(0.02)
    assert len(ear.why) == 1
    wire.send(b"\0")
    wire.close()
    wire.close()
    assert not wire.unread()


async def test_a_device_that_stops_reading_is_given_up(listener: socket.socket) -> None:
    ear = Ear()
    wire = await Tcp("127.0.0.1", listener.getsockname()[1]).open(ear, 5)
    for _ in range(100):
        wire.send(bytes(1 << 17))
    assert ear.why == [], "not within the call that sends"
    await until(lambda: ear.why)
    assert ear.why == ["the device takes no more requests"]


async def test_what_is_read_first_may_close_what_is_ready_as_well(listener: socket.socket) -> None:
    watch, ears = Watch(), [Ear(), Ear()]
    tcp = Tcp("127.0.0.1", listener.getsockname()[1], watch)
    wires = [await tcp.open(ear, 5) for ear in ears]
    peers = [listener.accept()[0] for _ in wires]
    for ear, other in zip(ears, reversed(wires), strict=True):
        ear.then = other.close
    for peer in peers:
        peer.sendall(b"x")
    await until(lambda: ears[0].heard or ears[1].heard)
    await asyncio.sleep(0.02)
    assert sorted(ear.heard for ear in ears) == [[], [b"x"]]
    for wire, peer in zip(wires, peers, strict=True):
        wire.close()
        peer.close()


async def test_bytes_that_nobody_has_read_are_seen(listener: socket.socket) -> None:
    wire = await Tcp("127.0.0.1", listener.getsockname()[1]).open(Ear(), 5)
    peer = listener.accept()[0]
    assert not wire.unread()
    peer.sendall(b"x")
    assert wire.unread()
    wire.close()
    peer.close()


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_after_a_right_reply_is_a_bad_reply_and_never_a_value(lie: str) -> None:
    lying = False
    honest = lambda t, u, p: (LIES[lie] if lying else frame)(t, u, p if lying else right(p))  # noqa: E731
    async with served(always(honest)) as driver:
        plan, ended = driver.plan_read(TAGS), asyncio.Queue[LinkDown | None]()
        for _ in range(3):
            driver.begin(plan, ended.put_nowait)
            assert await ended.get() is None
            assert driver.columns(plan).value.tolist() == [4, 5]
        assert plan.express is not None
        assert driver.link._lent is plan.express, "it is read in few steps"
        lying = True
        driver.begin(plan, ended.put_nowait)
        error = await ended.get()
        assert isinstance(error, LinkDown)
        assert error.reason is Reason.BAD_REPLY
