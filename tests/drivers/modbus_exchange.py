"""Requests and the replies that fit them, and what a hostile line makes of those. Also a soak by itself:

python tests/drivers/modbus_exchange.py 1000000      so many replies to each kind of frame (make fuzz)
"""

import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge_agent.core.readplan import Block
from edge_agent.drivers.modbus import identification, pdu
from edge_agent.drivers.modbus.frames import BadReply, Framer
from edge_agent.drivers.modbus.frames.ascii import Ascii
from edge_agent.drivers.modbus.frames.mbap import Mbap, MbapDatagram
from edge_agent.drivers.modbus.frames.rtu import Rtu
from edge_agent.drivers.modbus.pdu import Request
from edge_agent.drivers.modbus.transactions import Transactions

FRAMERS: dict[str, Callable[[], Framer]] = {
    "mbap": Mbap,
    "datagram": MbapDatagram,
    "rtu": Rtu,
    "ascii": Ascii,
}
TRANSACTION, UNIT = 0xABCD, 3
MOST_HELD = 600
"""No frame of any kind is longer, so no framer may hold more."""


class Asked(NamedTuple):
    unit: int
    request: Request
    number: int


@dataclass(frozen=True)
class Exchange:
    request: Request
    reply: bytes
    """The PDU of a reply that fits."""
    data: bytes


def _read(table: str, start: int, count: int, data: str) -> Exchange:
    request = pdu.read(table, start, count)
    return Exchange(request, request.head + bytes.fromhex(data), bytes.fromhex(data))


def _echo(request: Request) -> Exchange:
    return Exchange(request, request.head, b"")


_NAMES = bytes.fromhex("01 00 00 03") + b"\x00\x04Acme\x01\x02PX\x02\x031.2"
EXCHANGES = [
    _read("coil", 0, 11, "cd05"),
    _read("discrete", 7, 1, "01"),
    _read("holding", 4, 2, "aabbccdd"),
    _read("input", 0, 125, "00ff" * 125),
    _echo(pdu.write_coil(0xAC, True)),
    _echo(pdu.write_register(1, 3)),
    _echo(pdu.write_block(Block("holding", 1, 2, np.arange(2)), bytes(4))),
    _echo(pdu.mask_register(4, 0xF2, 0x25)),
    Exchange(pdu.read_write(3, 1, 14, b"\0\xff"), b"\x17\2\0\xfe", b"\0\xfe"),
    Exchange(identification.identify(), b"\x2b\x0e\x01" + _NAMES, _NAMES),
]


def outcome(framer: Framer, request: Request, pieces: list[bytes]) -> bytes | str:
    """Feed pieces as a link does: data, the name of a typed error, or that more is needed."""
    transactions = Transactions[Asked](framer)
    transactions.last = TRANSACTION - 1 if framer.numbered else 0
    transactions.send(Asked(UNIT, request, transactions.number()))
    try:
        for piece in pieces:
            for _, answer in transactions.receive(piece):
                if not isinstance(answer, bytes):
                    return type(answer).__name__
                if request.length is None:
                    identification.page(answer)
                return answer
            assert framer.pending <= MOST_HELD, "a framer that grows"
    except BadReply as error:
        return type(error).__name__
    return "more"


def mutated(dice: random.Random, good: bytes) -> bytes:
    """Something between random bytes and nearly right."""
    luck = dice.random()
    if luck < 0.1:
        return dice.randbytes(dice.randrange(0, 600))
    data = bytearray(good)
    for _ in range(dice.randrange(1, 4)):
        move = dice.randrange(6)
        if move == 0 and data:
            data[dice.randrange(len(data))] = dice.randrange(256)
        elif move == 1:
            data.insert(dice.randint(0, len(data)), dice.randrange(256))
        elif move == 2 and data:
            del data[dice.randrange(len(data))]
        elif move == 3:
            data = data[: dice.randint(0, len(data))]
        elif move == 4:
            data = data[dice.randint(0, len(data)) :] + data
        elif data:
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


def hostile(dice: random.Random, framer: Framer, exchange: Exchange) -> bytes:
    """A reply that was spoiled before it was framed, or after, or belongs to another request, or is right."""
    luck = dice.random()
    if luck < 0.1:
        return framer.encode(TRANSACTION, UNIT, exchange.reply)
    if luck < 0.3:
        return framer.encode(TRANSACTION, UNIT, dice.choice(EXCHANGES).reply)
    if luck < 0.35:
        return framer.encode(TRANSACTION, UNIT, bytes((exchange.reply[0] | 0x80, dice.randrange(256))))
    if luck < 0.6:
        return framer.encode(TRANSACTION, UNIT, mutated(dice, exchange.reply))
    return mutated(dice, framer.encode(TRANSACTION, UNIT, exchange.reply))


def attack(dice: random.Random, kind: str, times: int) -> Counter[str]:
    """Give that many hostile replies to one kind of framer. AssertionError: a value that is none."""
    seen = Counter[str]()
    for _ in range(times):
        framer, exchange = FRAMERS[kind](), dice.choice(EXCHANGES)
        stream = hostile(dice, framer, exchange)
        cuts = sorted(
            dice.randint(0, len(stream)) for _ in range(0 if kind == "datagram" else dice.randrange(3))
        )
        pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        found = outcome(framer, exchange.request, pieces)
        if isinstance(found, bytes):
            # A value has the shape of its request, or it is none. What stands in it no protocol can know.
            assert exchange.request.length in {None, len(exchange.request.head) + len(found)}
            seen["value"] += 1
        else:
            seen[found] += 1
    return seen


def main() -> None:
    times, seed = int(sys.argv[1]), struct.unpack("I", random.randbytes(4))[0]
    for kind in FRAMERS:
        started = time.perf_counter()
        seen = attack(random.Random(seed), kind, times)
        print(f"{kind}: seed {seed}, {time.perf_counter() - started:.0f} s, {dict(seen)}")


if __name__ == "__main__":
    main()
