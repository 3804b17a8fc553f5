"""A Modbus TCP server that does whatever a test tells it to, and a driver connected to it."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from modbus_tcp import modbus_tcp

from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag
from edge_agent.drivers.modbus.driver import Modbus

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Answer = Callable[[int, int, bytes], bytes]
"""From transaction, unit and the request's PDU to whatever bytes are sent back."""

TAGS = [Tag(name=f"plc.h{n}", address=Address(table="holding", offset=n, type="uint16")) for n in (4, 5)]


def frame(transaction: int, unit: int, pdu: bytes, protocol: int = 0, length: int | None = None) -> bytes:
    return struct.pack(">HHHB", transaction, protocol, len(pdu) + 1 if length is None else length, unit) + pdu


def right(pdu: bytes) -> bytes:
    """The reply a good device gives: register n holds n; writes are echoed."""
    function, start, count = struct.unpack(">BHH", pdu[:5])
    if function == 16:
        return pdu[:5]
    return struct.pack(f">BB{count}H", function, 2 * count, *range(start, start + count))


async def request(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    transaction, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
    return transaction, unit, await reader.readexactly(length - 1)


@asynccontextmanager
async def served(behave: Behaviour, timeout: float = 5.0) -> AsyncIterator[Modbus]:
    """A driver connected to a server that behaves as told on every connection."""
    tasks = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await behave(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    driver = modbus_tcp("127.0.0.1", server.sockets[0].getsockname()[1], unit=3, timeout=timeout)
    await driver.connect()
    yield driver
    await driver.close()
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def always(answer: Answer) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(answer(*await request(reader)))

    return behave
