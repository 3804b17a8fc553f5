"""The Modbus TCP driver against a server that others wrote, in C: libmodbus."""

import itertools
import math
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import pytest_asyncio
from libmodbus_server import compiled
from modbus_proxy import Proxy
from modbus_tcp import modbus_tcp, tag

from edge_agent.core.readplan import Block
from edge_agent.core.registers import Address
from edge_agent.core.resultblock import FIELDS, LAYOUT, WORDS, ResultBlock, State, values
from edge_agent.core.tags import Quality, Reason, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.modbus import pdu
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.drivers.modbus.writing import Habits

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="session")
def libmodbus_server() -> Path:
    """The peer, compiled by the C compiler of this box."""
    return compiled()


@pytest.fixture
def libmodbus(libmodbus_server: Path) -> Iterator[int]:
    """The port of a fresh libmodbus server."""
    with subprocess.Popen([str(libmodbus_server)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        yield int(server.stdout.readline())
        server.kill()


@pytest_asyncio.fixture
async def plc(libmodbus: int) -> AsyncIterator[Modbus]:
    driver = modbus_tcp("127.0.0.1", libmodbus)
    await driver.connect()
    yield driver
    await driver.close()


async def test_every_table_is_read_from_libmodbus(plc: Modbus) -> None:
    tags = [
        tag("holding", 7),
        tag("coil", 9),
        tag("input", 5),
        tag("discrete", 1),
        tag("holding", 1000),
        tag("coil", 10),
        tag("holding", 0xA5, "bool", bit=0),
        tag("holding", 0xA5, "bool", bit=1),
        tag("discrete", 1998),
    ]
    columns = await plc.read(plc.plan_read(tags))
    assert columns.value.tolist() == [7, 1, 65530, 0, 1000, 0, 1, 0, 1]
    assert (columns.quality == Quality.GOOD).all()
    assert (columns.reason == Reason.NONE).all()


async def test_a_whole_table_takes_as_many_requests_as_it_needs(plc: Modbus) -> None:
    plan = plc.plan_read([tag("holding", n) for n in range(2000)] + [tag("coil", n) for n in range(2000)])
    assert len(plan.requests) == 16 + 1
    columns = await plc.read(plan)
    assert columns.value[:2000].tolist() == list(range(2000))
    assert columns.value[2000:].tolist() == [n % 3 == 0 for n in range(2000)]


async def test_what_the_device_does_not_have_spoils_only_itself(plc: Modbus) -> None:
    plan = plc.plan_read([tag("holding", n) for n in (3, 1990, 1999, 2000)])
    for _ in range(3):
        columns = await plc.read(plan)
        assert columns.value[:3].tolist() == [3, 1990, 1999]
        assert (columns[3].quality, columns[3].reason) == (Quality.BAD, Reason.QUARANTINED)
        assert math.isnan(columns[3].value)


def every_type_and_order() -> list[tuple[Address, float | str]]:
    """All orders of 16 and 32 bits, and of more every one that swaps bytes, words or halves."""
    values: dict[str, float | str] = {
        "bool": 1,
        "int8": -7,
        "uint8": 200,
        "int16": -12345,
        "uint16": 54321,
        "int32": -5,
        "uint32": 4_000_000_000,
        "int64": -(2**52),
        "uint64": 2**53,
        "float16": 0.1875,
        "float32": -1.5 * 2.0**100,
        "float64": -1.1,
        "bcd16": 9876,
        "bcd32": 12345678,
        "time_unix": 1709210096,
        "time_iec": 1709210096.789,
        "time_bytes": 1709210096,
        "string": "pump 7",
    }
    found = []
    for kind, value in values.items():
        plain = Address(table="holding", offset=0, type=kind, bit=5 if kind == "bool" else None, length=7)
        if len(plain.letters) <= 4:
            orders = ["".join(p) for p in itertools.permutations(plain.letters)]
        else:
            pairs = [plain.letters[i : i + 2] for i in range(0, len(plain.letters), 2)]
            words = itertools.permutations([*pairs, *(pair[::-1] for pair in pairs)], len(pairs))
            orders = [o for o in map("".join, words) if len(set(o)) == len(o)][::7]
        if plain.letters == "HL":
            orders = ["H", "L"]
        found += [(msgspec.structs.replace(plain, order=order), value) for order in orders]
    return found


async def test_what_is_written_is_read_back_in_every_type_and_order(plc: Modbus) -> None:
    at, tags, wanted = 0, [], []
    for address, value in every_type_and_order():
        placed = msgspec.structs.replace(address, offset=at)
        assert placed.problem() is None
        tags.append(Tag(name=f"plc.h{at}", address=placed))
        wanted.append(value)
        at += placed.count + at % 2
    assert at < 2000
    await plc.write(plc.plan_write(tags), wanted)
    columns = await plc.read(plc.plan_read(tags))
    got = [columns.exact[row] if isinstance(v, str) else columns.value[row] for row, v in enumerate(wanted)]
    assert got == wanted
    assert (columns.quality == Quality.GOOD).all()


async def test_a_part_of_a_register_is_written_without_touching_the_rest(plc: Modbus) -> None:
    tags = [
        tag("holding", 1000, "bool", bit=15),
        Tag(name="plc.field", address=Address(table="holding", offset=1001, type="uint16", bit=4, width=4)),
        tag("holding", 1002, "uint8", "H"),
        tag("holding", 1003, "uint16"),
    ]
    await plc.write(plc.plan_write(tags), [1, 0, 0xAB, 7])
    after = await plc.read(plc.plan_read([tag("holding", n) for n in range(999, 1005)]))
    assert after.value.tolist() == [999, 0x8000 | 1000, 1001 & ~0xF0, 0xAB00 | 1002 & 0xFF, 7, 1004]


async def test_a_device_gets_its_writes_as_it_knows_them(libmodbus: int) -> None:
    with Proxy(libmodbus) as proxy:
        link = modbus_tcp("127.0.0.1", proxy.port).link
        driver = Modbus(link, habits=Habits("single", rewriting=True))
        await driver.connect()
        tags = [
            tag("holding", 1000, "bool", bit=15),
            tag("holding", 1001, "uint32"),
            tag("coil", 20),
            tag("coil", 21),
        ]
        await driver.write(driver.plan_write(tags), [1, 0x00010002, 0, 1])
        sent = proxy.writes
        back = await driver.read(driver.plan_read([*tags, tag("holding", 1000)]))
        await driver.close()
    assert back.value.tolist() == [1, 0x00010002, 0, 1, 0x8000 | 1000]
    assert {(function, address) for function, address, _ in sent} == {
        *((6, 1000), (6, 1001), (6, 1002), (5, 20), (5, 21))
    }


async def test_a_device_that_wants_function_23_gets_its_registers_so(libmodbus: int) -> None:
    """122 registers are one more than it may write at once; coils and bits have functions of their own."""
    with Proxy(libmodbus) as proxy:
        link = modbus_tcp("127.0.0.1", proxy.port).link
        driver = Modbus(link, habits=Habits("read-write"))
        await driver.connect()
        words = [tag("holding", 400 + n) for n in range(122)]
        rest = [tag("holding", 1000, "bool", bit=15), tag("coil", 20), tag("coil", 21)]
        wanted = [*range(5000, 5122), 1, 0, 1]
        await driver.write(driver.plan_write([*words, *rest]), wanted)
        sent = [struct.unpack(">HH", pdu[5:9]) for pdu in proxy.requests if pdu[0] == 23]
        functions = {pdu[0] for pdu in proxy.requests}
        back = await driver.read(driver.plan_read([*words, *rest]))
        with pytest.raises(Refused, match=r"holding 1999.*illegal data address"):
            await driver.write(driver.plan_write([tag("holding", 1999, "uint32")]), [7])
        untouched = await driver.read(driver.plan_read([tag("holding", 1999)]))
        await driver.close()
    (first, count), (second, more) = sent
    assert (first, second, count + more) == (400, 400 + count, 122)
    assert functions == {15, 22, 23}
    assert back.value.tolist() == wanted
    assert untouched.value.tolist() == [1999]


async def test_every_function_of_a_write_is_taken_by_libmodbus_as_it_was_meant(plc: Modbus) -> None:
    """Function codes 5, 6, 15, 16, 22 and 23; the last writes first, then reads."""
    await plc.ask(pdu.write_coil(30, False))
    await plc.ask(pdu.write_register(40, 0x1234))
    await plc.ask(pdu.write_block(Block("coil", 31, 3, np.arange(3)), b"\x05"))
    await plc.ask(pdu.write_block(Block("holding", 41, 2, np.arange(2)), b"\x00\x01\x00\x02"))
    await plc.ask(pdu.mask_register(40, 0xFF00, 0x00AB))
    assert await plc.ask(pdu.read_write(40, 4, 43, b"\xbe\xef")) == bytes.fromhex("12ab 0001 0002 beef")
    assert (await plc.ask(pdu.read("coil", 30, 4)))[0] & 15 == 0b1010


async def test_coils_are_written_without_touching_their_neighbours(plc: Modbus) -> None:
    outputs = [tag("coil", 20), tag("coil", 21), tag("coil", 24)]
    await plc.write(plc.plan_write(outputs), [1, 0, 0])
    after = await plc.read(plc.plan_read([tag("coil", n) for n in range(18, 28)]))
    assert after.value.tolist() == [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]


async def test_a_result_block_arrives_as_one_frame(plc: Modbus) -> None:
    tags = [tag("holding", 400 + first, kind) for _, kind, first in FIELDS]
    block = ResultBlock(
        heartbeat=1,
        sequence=2,
        state=State.FAULT,
        reason=22,
        alarm=0,
        score=math.nan,
        value=math.nan,
        denied=0,
        input_age_ms=3,
        input_quality=0,
        bundle=0xCAFEF00D,
    )
    plan = plc.plan_write(tags)
    assert len(plan.blocks) == 1
    await plc.write(plan, values(block))
    words = await plc.read(plc.plan_read([tag("holding", 400 + n) for n in range(WORDS)]))
    at = {name: first for name, _, first in FIELDS}
    assert words.value[:6].tolist() == [LAYOUT, 1, 2, 7, 22, 0]
    assert words.value[at["score"] :][:2].tolist() == [0x7FC0, 0]
    assert words.value[at["bundle"] :][:3].tolist() == [0xCAFE, 0xF00D, 2]


async def test_a_write_that_the_device_refuses_leaves_the_link_sound(plc: Modbus) -> None:
    with pytest.raises(Refused, match="illegal data address"):
        await plc.write(plc.plan_write([tag("holding", 2000)]), [1])
    assert (await plc.read(plc.plan_read([tag("holding", 3)])))[0].value == 3


async def test_a_value_that_does_not_fit_is_never_sent(plc: Modbus) -> None:
    with pytest.raises(ValueError, match="uint16"):
        await plc.write(plc.plan_write([tag("holding", 5), tag("holding", 6)]), [1, 70000])
    assert (await plc.read(plc.plan_read([tag("holding", 5)])))[0].value == 5


async def test_more_requests_than_transaction_ids_all_get_their_own_answer(plc: Modbus) -> None:
    plc.link._transactions.last = 0xFFFF - 5
    for n in range(10):
        assert (await plc.read(plc.plan_read([tag("holding", n)])))[0].value == n
    assert plc.link._transactions.last == 5


async def test_a_server_that_dies_is_no_link_and_comes_back(libmodbus_server: Path) -> None:
    server = subprocess.Popen([str(libmodbus_server)], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - at once
    with server:
        assert server.stdout
        port = int(server.stdout.readline())
        driver = modbus_tcp("127.0.0.1", port)
        plan = driver.plan_read([tag("holding", 7)])
        await driver.connect()
        assert (await driver.read(plan))[0].value == 7
        server.kill()
    with pytest.raises(LinkDown) as down:
        await driver.read(plan)
    assert down.value.reason is Reason.NO_LINK
    with pytest.raises(LinkDown) as refused:
        await driver.connect()
    assert refused.value.reason is Reason.NO_LINK
    with subprocess.Popen([str(libmodbus_server), str(port)], stdout=subprocess.PIPE, text=True) as server:  # noqa: ASYNC220 - at once
        assert server.stdout
        assert int(server.stdout.readline()) == port
        await driver.connect()
        assert (await driver.read(plan))[0].value == 7
        await driver.close()
        server.kill()


async def test_before_connect_and_after_close_there_is_no_link() -> None:
    driver = modbus_tcp("127.0.0.1", 1)
    plan = driver.plan_read([tag("holding", 0)])
    for _ in range(2):
        with pytest.raises(LinkDown) as down:
            await driver.read(plan)
        assert down.value.reason is Reason.NO_LINK
        await driver.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.host.invalid", "a" * 70, ""])
async def test_a_host_that_cannot_be_reached_is_no_link(host: str) -> None:
    driver = modbus_tcp(host, port=1)
    with pytest.raises(LinkDown) as down:
        await driver.connect()
    assert down.value.reason is Reason.NO_LINK


async def test_time_and_scale_come_with_the_values(plc: Modbus) -> None:
    scaled = Tag(name="a", address=tag("holding", 50).address, scale=0.1, offset=-1, low=0, high=3.9)
    columns = await plc.read(plc.plan_read([scaled]))
    assert columns[0].value == pytest.approx(4.0)
    assert columns[0].quality is Quality.UNCERTAIN
    assert np.all(columns.at > 0)
