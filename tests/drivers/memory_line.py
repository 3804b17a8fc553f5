"""A wire in memory for tests in virtual time, and units on it that are quick, slow, silent or late."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.drivers.modbus.frames import Framer
from edge_agent.drivers.modbus.frames.mbap import Mbap
from edge_agent.drivers.modbus.frames.rtu import Rtu, crc16
from edge_agent.drivers.modbus.link import Link, Rules
from edge_agent.drivers.modbus.wires import Listener

Delay = Callable[[int], float | None]
"""From how many requests came before to the seconds until the answer; None means never."""


@dataclass
class Request:
    """What came over the wire: `at` is virtual time, `frame` whatever the framer made of it."""

    at: float
    connection: int
    unit: int
    pdu: bytes
    frame: bytes


@dataclass
class Plant:
    """All units behind one endpoint. Register n of unit u holds 1000 * u + n, whatever is written; `nonsense`
    ones say more.
    """

    rtu: bool = False
    delays: dict[int, Delay] = field(default_factory=dict)
    absent: bool = False
    nonsense: set[int] = field(default_factory=set)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    listener: Listener | None = None

    def __str__(self) -> str:
        return "memory"

    async def open(self, listener: Listener, timeout: float) -> "Plant":
        await asyncio.sleep(0.001)
        if self.absent:
            raise ConnectionRefusedError(111, "Connection refused")
        self.connections += 1
        self.listener = listener
        return self

    def unread(self) -> bool:
        return False

    def close(self) -> None:
        self.listener = None

    def lose(self) -> None:
        listener, self.listener = self.listener, None
        assert listener is not None
        listener.lost("closed by the device")

    def heard(self, frame: bytes) -> Request:
        unit, pdu = (frame[0], frame[1:-2]) if self.rtu else (frame[6], frame[7:])
        return Request(now(), self.connections, unit, pdu, frame)

    def send(self, frame: bytes) -> None:
        request = self.heard(frame)
        unit, pdu = request.unit, request.pdu
        asked_before = sum(request.unit == unit for request in self.requests)
        self.requests.append(request)
        delay = self.delays.get(unit, lambda _: 0.01)(asked_before)
        if delay is not None:
            asyncio.get_running_loop().call_later(
                delay, self.say, self.reply(unit, pdu, frame), self.connections
            )

    def reply(self, unit: int, pdu: bytes, frame: bytes) -> bytes:
        start, count = int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
        words = b"".join((1000 * unit + start + n).to_bytes(2) for n in range(count))
        answer = bytes((unit, pdu[0], len(words))) + words + bytes(unit in self.nonsense)
        if pdu[0] == 16:
            answer = bytes((unit,)) + pdu[:5]
        if self.rtu:
            return answer + crc16(answer).to_bytes(2, "little")
        return frame[:4] + len(answer).to_bytes(2) + answer

    def say(self, data: bytes, connection: int | None = None) -> None:
        if self.listener is not None and connection in {None, self.connections}:
            self.listener.received(data)


class Line(Plant):
    """An RTU line whose other end `answer` speaks for."""

    def __init__(self, answer: Callable[["Line", bytes], None]) -> None:
        super().__init__(rtu=True)
        self.answer = answer

    def send(self, frame: bytes) -> None:
        self.answer(self, frame)

    def say(self, data: bytes, after: float = 0.002) -> None:  # type: ignore[override]
        asyncio.get_running_loop().call_later(after or 0.002, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        if self.listener is not None and data:
            self.listener.received(data)


def now() -> float:
    return asyncio.get_running_loop().time()


def tags(unit: int, addresses: Sequence[int] = (0,)) -> list[Tag]:
    return [
        Tag(name=f"u{unit}.h{n}", address=Address(table="holding", offset=n, type="uint16"))
        for n in addresses
    ]


def link_to(plant: Plant, *more: Plant, **rules: float) -> Link:
    framer: Framer = Rtu() if plant.rtu else Mbap()
    return Link([plant, *more], framer, Rules(**rules))  # type: ignore[arg-type]


def unit_on(link: Link, unit: int, timeout: float = 0.5) -> Modbus:
    return Modbus(link, unit, timeout=timeout)
