"""A real conversation of a gateway with four units, replayed by a server to our driver."""

import asyncio
import functools
import struct
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from modbus_exchange import Asked
from sources import DATA

from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.carrier import ask
from edge_agent.drivers.modbus.frames.mbap import Mbap
from edge_agent.drivers.modbus.link import Link, Rules
from edge_agent.drivers.modbus.transactions import Transactions
from edge_agent.drivers.modbus.wires.tcp import Tcp

CAPTURE = DATA / "pcap" / "modbus_test.pcap"
pytestmark = [pytest.mark.sockets, pytest.mark.data]


class Exchange(NamedTuple):
    """A request and its reply, empty if there was none."""

    unit: int
    request: bytes
    reply: bytes


def payloads(path: Path) -> Iterator[tuple[int, bytes]]:
    """Destination port and payload of every TCP segment; Ethernet, IPv4, little-endian pcap."""
    data = path.read_bytes()
    at = 24
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        packet = data[at + 16 + 14 : at + 16 + length]
        at += 16 + length
        (total,) = struct.unpack_from(">H", packet, 2)
        segment = packet[4 * (packet[0] & 15) : total]
        if payload := segment[4 * (segment[12] >> 4) :]:
            yield struct.unpack_from(">H", segment, 2)[0], payload


@functools.cache
def exchanges() -> list[Exchange]:
    """Requests for input registers in order, each with its reply."""
    found: list[Exchange] = []
    asked: dict[tuple[int, int], int] = {}
    for port, payload in payloads(CAPTURE):
        for frame in Mbap().feed(payload):
            key = frame.transaction, frame.unit
            if port == 502 and frame.pdu[0] == 4:
                asked[key] = len(found)
                found.append(Exchange(frame.unit, frame.pdu, b""))
            elif port != 502 and key in asked:
                row = asked.pop(key)
                found[row] = found[row]._replace(reply=frame.pdu)
    return found


def request_of(exchange: Exchange) -> pdu.Request:
    return pdu.read("input", *struct.unpack(">HH", exchange.request[1:]))


def test_every_recorded_reply_fits_its_request() -> None:
    replied = [exchange for exchange in exchanges() if exchange.reply]
    assert len(replied) > 1000
    for exchange in replied:
        transactions = Transactions[Asked](Mbap())
        number = transactions.number()
        sent = transactions.send(asked := Asked(exchange.unit, request_of(exchange), number))
        assert sent[7:] == exchange.request
        (answer,) = transactions.receive(Mbap().encode(number, exchange.unit, exchange.reply))
        assert answer == (asked, exchange.reply[2:])


async def test_the_conversation_replayed_gives_the_recorded_registers() -> None:
    """What was never answered is a deadline; the other units on the link keep their connection."""
    script = defaultdict[tuple[int, bytes], deque[bytes]](deque)
    for exchange in exchanges():
        script[exchange.unit, exchange.request].append(exchange.reply)
    assert {unit for unit, _ in script} == {1, 2, 3, 7}
    connections, ended = 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        framer = Mbap()
        with suppress(ConnectionResetError):  # that is how a connection ends
            while data := await reader.read(4096):
                for frame in framer.feed(data):
                    reply = script[frame.unit, frame.pdu].popleft()
                    if reply:
                        writer.write(framer.encode(frame.transaction, frame.unit, reply))
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = Link([Tcp("127.0.0.1", port)], Mbap(), Rules(settle=0.0))

    class Unit:
        def __init__(self, unit: int) -> None:
            self.unit = unit

        def link_lost(self, error: LinkDown) -> None:
            raise AssertionError(error)

    units = [Unit(unit) for unit in (1, 2, 3, 7, 250)]  # the last asks nothing and so is never silent
    for unit in units:
        await link.join(unit)
    by_number = {unit.unit: unit for unit in units}
    silent = 0
    for exchange in exchanges():
        try:
            timeout = 1.0 if exchange.reply else 0.02
            data = await ask(
                functools.partial(link.send, by_number[exchange.unit], request_of(exchange), timeout)
            )
        except LinkDown:
            assert not exchange.reply
            silent += 1
        else:
            assert data == exchange.reply[2:]
    assert 10 < silent < 40
    assert connections == 1
    for unit in units[1:]:
        link.leave(unit)
    units[0].link_lost = lambda error: None  # type: ignore[method-assign]
    link.leave(units[0])
    await ended.wait()
    server.close()
