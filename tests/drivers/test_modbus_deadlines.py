"""The Modbus TCP driver and time: silence, answers too late, and a close in the middle."""

import asyncio
import socket

import pytest
from modbus_liar import TAGS, always, frame, request, right, served
from modbus_tcp import modbus_tcp

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize("who", ["driver", "caller"])
async def test_after_a_deadline_the_next_connection_starts_clean(who: str) -> None:
    """The late reply of the first connection must not be taken for an answer on the second."""
    connections = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            transaction, unit, _ = await request(reader)
            await asyncio.sleep(0.1)
            writer.write(frame(transaction, unit, b"\x03\x04\xff\xff\xff\xff"))
        await always(lambda t, u, p: frame(t, u, right(p)))(reader, writer)

    async with served(behave, timeout=0.05 if who == "driver" else 5) as driver:
        plan = driver.plan_read(TAGS)
        if who == "driver":
            with pytest.raises(LinkDown, match=r"0\.05 s") as down:
                await driver.read(plan)
            assert down.value.reason is Reason.TIMEOUT
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await driver.read(plan)
        await driver.close()
        await driver.connect()
        for _ in range(3):
            assert (await driver.read(plan)).value.tolist() == [4, 5]
            await asyncio.sleep(0.03)


async def test_a_write_that_is_never_answered_is_a_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with served(silent, timeout=0.03) as driver:
        with pytest.raises(LinkDown) as down:
            await driver.write(driver.plan_write(TAGS), [1, 2])
        assert down.value.reason is Reason.TIMEOUT


async def test_a_host_that_does_not_answer_a_connect_is_given_up() -> None:
    """A backlog that is full drops what comes, as a host that is switched off does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first:
        first.connect(full.getsockname())
        driver = modbus_tcp("127.0.0.1", full.getsockname()[1], timeout=0.05)
        with pytest.raises(LinkDown, match=r"no connection within 0\.05 s"):
            await driver.connect()


async def test_the_answer_to_a_request_that_was_given_up_answers_no_other() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transaction, unit, _ = await request(reader)
        await asyncio.sleep(0.1)
        writer.write(frame(transaction, unit, b"\x03\x04\xff\xff\xff\xff"))
        await always(lambda t, u, p: frame(t, u, right(p)))(reader, writer)

    async with served(behave) as driver:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await driver.read(driver.plan_read(TAGS))
        for _ in range(3):
            assert (await driver.read(driver.plan_read(TAGS))).value.tolist() == [4, 5]


async def test_closing_in_the_middle_of_a_request_frees_who_waits() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with served(silent) as driver:
        reading = asyncio.create_task(driver.read(driver.plan_read(TAGS)))
        await asyncio.sleep(0.02)
        await driver.close()
        with pytest.raises(LinkDown):
            await asyncio.wait_for(reading, 1)
