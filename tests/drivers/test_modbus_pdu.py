"""Any bytes at all in place of a reply: a value, BadReply or DeviceException, nothing else."""

import asyncio
import random
import struct

import pytest

from edge_agent.core.registers import Address, Block, plan_blocks
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.pdu import BadReply, DeviceException
from edge_agent.drivers.modbus.tcp import Connection

HOLDING = [Address(table="holding", offset=n, type="uint16") for n in (4, 5)]
COILS = [Address(table="coil", offset=n, type="bool") for n in range(11)]
WORDS, BITS = plan_blocks(HOLDING, 0)[0], plan_blocks(COILS, 0)[0]


def mutated(dice: random.Random, good: bytes) -> bytes:
    """Something between random bytes and nearly right."""
    if dice.random() < 0.2:
        return dice.randbytes(dice.randrange(0, 20))
    data = bytearray(good)
    for _ in range(dice.randrange(1, 4)):
        move = dice.randrange(4)
        if move == 0 and data:
            data[dice.randrange(len(data))] = dice.randrange(256)
        elif move == 1:
            data.insert(dice.randint(0, len(data)), dice.randrange(256))
        elif move == 2 and data:
            del data[dice.randrange(len(data))]
        elif move == 3:
            data = data[: dice.randint(0, len(data))]
    return bytes(data)


def outcome(block: Block, reply: bytes, write: bool) -> bytes | str:
    try:
        if write:
            pdu.check_write_reply(block, reply)
            return b""
        return pdu.read_reply(block, reply)
    except (BadReply, DeviceException) as error:
        return type(error).__name__


def test_requests_are_what_the_specification_shows() -> None:
    """MODBUS Application Protocol V1.1b3, the examples of 6.1, 6.3 and 6.12."""
    assert pdu.read_request(WORDS).hex() == "0300040002"
    assert pdu.read_request(BITS).hex() == "010000000b"
    block = Block("holding", 1, 2, WORDS.rows)
    assert pdu.write_request(block, bytes.fromhex("000a0102")).hex() == "100001000204000a0102"
    coils = Block("coil", 0x13, 10, BITS.rows)
    assert pdu.write_request(coils, bytes.fromhex("cd01")).hex() == "0f0013000a02cd01"


def test_only_the_right_reply_gives_data() -> None:
    assert pdu.read_reply(WORDS, bytes.fromhex("0304aabbccdd")).hex() == "aabbccdd"
    assert pdu.read_reply(BITS, bytes.fromhex("0102cd05")).hex() == "cd05"
    pdu.check_write_reply(WORDS, bytes.fromhex("1000040002"))
    with pytest.raises(BadReply):
        pdu.check_write_reply(WORDS, bytes.fromhex("1000040003"))


def test_no_reply_whatsoever_is_anything_but_data_a_bad_reply_or_an_exception() -> None:
    dice = random.Random(20240601)
    good = {
        (False, "holding"): bytes.fromhex("0304aabbccdd"),
        (False, "coil"): bytes.fromhex("0102cd05"),
        (True, "holding"): bytes.fromhex("1000040002"),
        (True, "coil"): bytes.fromhex("0f0000000b"),
    }
    seen = set[str]()
    for (write, table), right in good.items():
        block = WORDS if table == "holding" else BITS
        for _ in range(40_000):
            reply = mutated(dice, right)
            found = outcome(block, reply, write)
            if isinstance(found, str):
                seen.add(found)
                continue
            seen.add("value")
            assert reply[0] == right[0]
            assert reply == right if write else (reply[1] == len(found) == block.size and reply[2:] == found)
    assert seen == {"value", "BadReply", "DeviceException"}


async def test_no_stream_whatsoever_is_anything_but_the_reply_or_a_bad_reply() -> None:
    """The pieces of 50 000 streams, cut anywhere, fed to a connection that waits for one reply."""
    dice = random.Random(7)
    reply = bytes.fromhex("0304aabbccdd")
    loop = asyncio.get_running_loop()
    values = 0
    for _ in range(50_000):
        connection = Connection(timeout=1)
        connection._transaction, connection._unit = dice.randrange(1, 65536), 3
        connection._reply = future = loop.create_future()
        right = struct.pack(">HHHB", connection._transaction, 0, len(reply) + 1, 3) + reply
        stream = right if dice.random() < 0.1 else mutated(dice, right)
        cut = dice.randint(0, len(stream))
        for piece in (stream[:cut], stream[cut:]):
            connection.data_received(piece)
        if not future.done():
            assert len(stream) < 7 or len(stream) < 6 + struct.unpack(">H", stream[4:6])[0]
        elif future.exception() is None:
            values += 1
            assert stream[:4] + stream[6:7] == right[:4] + right[6:7]
            assert future.result() == stream[7 : 6 + struct.unpack(">H", stream[4:6])[0]]
        else:
            assert isinstance(future.exception(), BadReply)
    assert values > 4000
