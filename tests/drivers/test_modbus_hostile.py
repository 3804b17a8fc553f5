"""The Modbus TCP driver against a server that lies and breaks: a reason, never a value."""

import asyncio
import socket
import struct

import pytest
from modbus_liar import TAGS, Answer, Behaviour, always, frame, request, right, served

from edge_agent.core.tags import Quality, Reason
from edge_agent.drivers import LinkDown, Refused

pytestmark = pytest.mark.sockets

LIES: dict[str, Answer] = {
    "another transaction": lambda t, u, p: frame(t + 1, u, right(p)),
    "transaction 0, as a stale reply": lambda t, u, p: frame(0, u, right(p)),
    "the transaction before": lambda t, u, p: frame(t - 1, u, right(p)),
    "another unit": lambda t, u, p: frame(t, u + 1, right(p)),
    "unit 0": lambda t, u, p: frame(t, 0, right(p)),
    "another protocol": lambda t, u, p: frame(t, u, right(p), protocol=1),
    "fewer registers": lambda t, u, p: frame(t, u, b"\x03\x02\x00\x04"),
    "more registers": lambda t, u, p: frame(t, u, b"\x03\x06\x00\x04\x00\x05\x00\x06"),
    "no registers": lambda t, u, p: frame(t, u, b"\x03\x00"),
    "a byte count too low": lambda t, u, p: frame(t, u, b"\x03\x02\x00\x04\x00\x05"),
    "a byte count too high": lambda t, u, p: frame(t, u, b"\x03\x08\x00\x04\x00\x05"),
    "an odd number of bytes": lambda t, u, p: frame(t, u, b"\x03\x03\x00\x04\x00"),
    "another function": lambda t, u, p: frame(t, u, b"\x04" + right(p)[1:]),
    "the exception of another function": lambda t, u, p: frame(t, u, b"\x84\x02"),
    "an exception without a code": lambda t, u, p: frame(t, u, b"\x83"),
    "an exception with too much": lambda t, u, p: frame(t, u, b"\x83\x02\x00"),
    "an empty PDU": lambda t, u, p: frame(t, u, b""),
    "a length of 0": lambda t, u, p: frame(t, u, right(p), length=0),
    "a length of 65535": lambda t, u, p: frame(t, u, right(p), length=65535),
    "a length of 1 too few": lambda t, u, p: frame(t, u, right(p), length=len(right(p))),
    "garbage": lambda t, u, p: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "zeros": lambda t, u, p: bytes(64),
    "two replies at once": lambda t, u, p: 2 * frame(t, u, right(p)),
    "a reply and a byte": lambda t, u, p: frame(t, u, right(p)) + b"\0",
    "the request itself": frame,
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_reply_that_does_not_fit_is_a_bad_reply_and_never_a_value(lie: str) -> None:
    async with served(always(LIES[lie])) as driver:
        with pytest.raises(LinkDown) as down:
            await driver.read(driver.plan_read(TAGS))
        assert down.value.reason is Reason.BAD_REPLY
        assert str(down.value)


@pytest.mark.parametrize("lie", LIES)
async def test_nothing_is_read_any_more_from_a_connection_that_lied_once(lie: str) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(LIES[lie](*await request(reader)))
        await always(lambda t, u, p: frame(t, u, right(p)))(reader, writer)

    async with served(behave) as driver:
        plan = driver.plan_read(TAGS)
        for _ in range(2):
            with pytest.raises(LinkDown):
                await driver.read(plan)


@pytest.mark.parametrize("code", range(256))
async def test_an_exception_code_is_refused_rows_on_a_sound_link(code: int) -> None:
    reason = Reason.QUARANTINED if code in (2, 3) else Reason.DEVICE_REFUSED
    async with served(always(lambda t, u, p: frame(t, u, bytes([p[0] | 0x80, code])))) as driver:
        for _ in range(2):
            columns = await driver.read(driver.plan_read(TAGS))
            assert columns.reason.tolist() == [reason] * 2
            assert columns.quality.tolist() == [Quality.BAD] * 2
        with pytest.raises(Refused, match=str(code)):
            await driver.write(driver.plan_write(TAGS), [1, 2])


async def close_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request(reader)
    writer.close()


async def reset_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request(reader)
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()


async def cut_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    transaction, unit, pdu = await request(reader)
    writer.write(frame(transaction, unit, right(pdu))[:-1])
    writer.close()


async def close_unasked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize("behave", [close_it, reset_it, cut_it, close_unasked])
async def test_a_connection_that_ends_is_no_link(behave: Behaviour) -> None:
    async with served(behave) as driver:
        with pytest.raises(LinkDown) as down:
            await driver.read(driver.plan_read(TAGS))
        assert down.value.reason is Reason.NO_LINK


async def test_a_reply_byte_by_byte_is_the_same_reply() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            transaction, unit, pdu = await request(reader)
            for byte in frame(transaction, unit, right(pdu)):
                writer.write(bytes([byte]))
                await asyncio.sleep(0.001)

    async with served(behave) as driver:
        for _ in range(3):
            columns = await driver.read(driver.plan_read(TAGS))
            assert columns.value.tolist() == [4, 5]


async def test_a_reply_before_the_request_is_never_its_answer() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(1, 3, b"\x03\x04\xff\xff\xff\xff"))
        await asyncio.sleep(5)

    async with served(behave) as driver:
        await asyncio.sleep(0.05)
        with pytest.raises(LinkDown, match="nobody asked for") as down:
            await driver.read(driver.plan_read(TAGS))
        assert down.value.reason is Reason.BAD_REPLY


ECHOES: dict[str, bytes] = {
    "another start": b"\x10\x00\x05\x00\x02",
    "another count": b"\x10\x00\x04\x00\x01",
    "too short": b"\x10\x00\x04\x00",
    "too long": b"\x10\x00\x04\x00\x02\x00",
    "another function": b"\x06\x00\x04\x00\x02",
}


@pytest.mark.parametrize("echo", ECHOES)
async def test_a_wrong_echo_of_a_write_is_a_bad_reply(echo: str) -> None:
    async with served(always(lambda t, u, p: frame(t, u, ECHOES[echo]))) as driver:
        with pytest.raises(LinkDown) as down:
            await driver.write(driver.plan_write(TAGS), [1, 2])
        assert down.value.reason is Reason.BAD_REPLY
