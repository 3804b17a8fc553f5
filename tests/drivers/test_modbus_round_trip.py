"""Every type, order, offset, bit field, text and mark written to a libmodbus server and read back from it."""

import asyncio
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libmodbus_server import compiled
from modbus_items import STRUCT, Item, by_hand, items, numbers_of
from modbus_tcp import modbus_tcp
from peer_process import serving

from edge_agent.config.fields import Place
from edge_agent.config.tables import ModbusTable
from edge_agent.config.tags import tags_of
from edge_agent.core.kinds import KINDS
from edge_agent.core.registers import Address
from edge_agent.core.tags import Columns, Quality, Reason, Tag
from edge_agent.drivers.modbus.driver import Modbus

pytestmark = pytest.mark.sockets
REGISTERS = 2000
Value = float | str


class Meter:
    """A libmodbus server and a driver that is connected to it."""

    def __init__(self, driver: Modbus, runner: asyncio.Runner) -> None:
        self._driver, self._run = driver, runner.run
        words = [Address(table="holding", offset=n, type="uint16") for n in range(REGISTERS)]
        self._all = driver.plan_read(tags(words))

    def written_and_read(self, addresses: Sequence[Address], values: Sequence[Value]) -> Columns:
        """Write values and read them back."""
        self._run(self._driver.write(self._driver.plan_write(tags(addresses)), values))  # type: ignore[arg-type]
        return self.read(addresses)

    def read(self, addresses: Sequence[Address]) -> Columns:
        return self._run(self._driver.read(self._driver.plan_read(tags(addresses))))

    def raw(self) -> bytearray:
        """All registers as they stand on the wire."""
        return bytearray(self._run(self._driver.read(self._all)).value.astype(">u2").tobytes())


@pytest.fixture(scope="module")
def meter() -> Iterator[Meter]:
    with serving(compiled()) as port, asyncio.Runner() as runner:
        driver = modbus_tcp("127.0.0.1", port, timeout=5)
        runner.run(driver.connect())
        yield Meter(driver, runner)
        runner.run(driver.close())


def tags(addresses: Sequence[Address]) -> list[Tag]:
    assert [a.problem() for a in addresses] == [None] * len(addresses)
    return [Tag(name=f"m.{n}", address=address) for n, address in enumerate(addresses)]


def is_as_written(columns: Columns, row: int, value: Value) -> bool:
    """Whether a row is what was written, to the last digit. What is not finite is no value."""
    sample = columns[row]
    if isinstance(value, str):
        return (sample.exact, sample.quality) == (value, Quality.GOOD)
    if not math.isfinite(value):
        return (sample.quality, sample.reason) == (Quality.BAD, Reason.NOT_FINITE)
    if sample.value == value:
        return sample.quality is Quality.GOOD
    return (sample.exact, sample.reason, sample.value) == (value, Reason.ROUNDED, float(value))


def owned(address: Address) -> bytes:
    """The bits of an address's registers that are its own, by hand."""
    if address.type == "string":
        places = [(i ^ 1 if address.order == "BA" else i) for i in range(address.length)]
        return bytes(255 * (i in places) for i in range(2 * address.count))
    if address.letters == "HL":
        return b"\xff\0" if address.order == "H" else b"\0\xff"
    bits = (1 << address.width) - 1 << (address.bit or 0)
    big = (bits if address.bit is not None else (1 << 8 * address.size) - 1).to_bytes(address.size)
    return bytes(big["ABCDEFGH".index(letter)] for letter in address.order or "ABCDEFGH"[: address.size])


@settings(max_examples=40)
@given(drawn=st.lists(items(), min_size=10, max_size=40), start=st.integers(0, 100), dice=st.randoms())
def test_what_is_written_is_read_back_and_nothing_else_is_touched(
    meter: Meter, drawn: list[Item], start: int, dice: random.Random
) -> None:
    pairs, at = [], start
    for address, value, gap in drawn:
        pairs.append((msgspec.structs.replace(address, offset=at + gap), value))
        at += gap + address.count
    dice.shuffle(pairs)
    before = meter.raw()
    columns = meter.written_and_read([address for address, _ in pairs], [value for _, value in pairs])
    for row, (address, value) in enumerate(pairs):
        assert is_as_written(columns, row, value), (address, value, columns[row])
    after = meter.raw()
    for address, _ in pairs:
        first = 2 * address.offset
        for at, bits in enumerate(owned(address), first):
            assert after[at] & ~bits == before[at] & ~bits, address
            before[at] = after[at]
    assert after == before


def orders_of(kind: str) -> list[str]:
    letters = Address(table="holding", offset=0, type=kind).letters
    if letters == "HL":
        return ["H", "L"]
    return ["".join(p) for p in itertools.permutations(letters)]


EIGHT = [kind for kind in KINDS if KINDS[kind].size == 8]
USUAL = ["ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA"]


def every_order() -> Iterator[tuple[str, str]]:
    """Yield every type with every order; of eight bytes each of the 40,320 once, the types in turn."""
    for kind in KINDS:
        yield from ((kind, order) for order in (USUAL if kind in EIGHT else orders_of(kind)))
    yield from zip(itertools.cycle(EIGHT), orders_of("uint64"))


@settings(max_examples=1)
@given(data=st.data())
def test_every_type_in_every_order_is_read_back_as_it_was_written(meter: Meter, data: st.DataObject) -> None:
    pools = {kind: data.draw(st.lists(numbers_of(kind), min_size=7, max_size=7)) for kind in KINDS}
    pairs = ((kind, order, pools[kind][n % 7]) for n, (kind, order) in enumerate(every_order()))
    count = 0
    while batch := list(itertools.islice(pairs, REGISTERS // 4)):
        offsets = range(REGISTERS - 4 * len(batch), REGISTERS, 4)
        addresses = [
            Address(table="holding", offset=offset, type=kind, order=order)
            for offset, (kind, order, _) in zip(offsets, batch, strict=True)
        ]
        values = [value for _, _, value in batch]
        columns = meter.written_and_read(addresses, values)
        wrong = [a for row, a in enumerate(addresses) if not is_as_written(columns, row, values[row])]
        assert wrong == []
        wire = meter.raw()
        for address, value in zip(addresses, values, strict=True):
            if address.type in STRUCT:
                first = 2 * address.offset
                assert wire[first : first + address.size] == by_hand(value, address.type, address.order), (
                    address
                )
        count += len(batch)
    assert count > 40_320 + 4 * len(EIGHT) + 720


@st.composite
def marked(draw: st.DrawFn) -> tuple[Address, list[int], int]:
    """A number of any type with marks of no value, and what stands there: a mark, or something near one."""
    kind = draw(st.sampled_from([kind for kind in KINDS if KINDS[kind].size in (2, 4, 8)]))
    size = KINDS[kind].size
    known = {2: [0x8000, 0x7FFF, 0xFFFF], 4: [0x7FC00000, 0x80000000, 0xFFFFFFFF], 8: [2**63, 2**64 - 1]}[
        size
    ]
    marks = draw(st.lists(st.sampled_from(known) | st.integers(0, 256**size - 1), min_size=1, max_size=3))
    order = "".join(draw(st.permutations(Address(table="holding", offset=0, type=kind).letters)))
    address = Address(table="holding", offset=0, type=kind, order=order, nan=tuple(marks))
    held = draw(st.sampled_from(marks) | st.sampled_from(marks).map(lambda mark: mark ^ 1))
    return address, marks, held


@settings(max_examples=20)
@given(drawn=st.lists(marked(), min_size=10, max_size=50))
def test_a_mark_of_no_value_is_none_whatever_the_type_and_order(
    meter: Meter, drawn: list[tuple[Address, list[int], int]]
) -> None:
    """Patterns are written as unsigned numbers in the same order, and read as what the tag says."""
    places = range(0, 4 * len(drawn), 4)
    read = [msgspec.structs.replace(a, offset=at) for at, (a, _, _) in zip(places, drawn, strict=True)]
    written = [msgspec.structs.replace(a, type=f"uint{8 * a.size}", nan=()) for a in read]
    meter.written_and_read(written, [held for _, _, held in drawn])
    columns = meter.read(read)
    for row, (address, marks, held) in enumerate(drawn):
        sample = columns[row]
        assert (sample.reason is Reason.NO_VALUE) == (held in marks), (address, held, sample)
        assert np.isnan(sample.value) == (sample.quality is Quality.BAD)


def table_of(rows: list[dict[str, Any]]) -> list[Tag]:
    place = Place(Path("config.toml"))
    found = tags_of("m", ModbusTable(driver="modbus-tcp", tags=rows), place)
    assert place.errors == []
    return [scanned.tag for scanned in found]


@settings(max_examples=20)
@given(data=st.data())
def test_arrays_of_a_table_are_written_and_read_element_by_element(meter: Meter, data: st.DataObject) -> None:
    """An array of bits goes on from bit to bit, one of numbers from one to the next."""
    rows, values, at = list[dict[str, Any]](), list[float](), 0
    for n, kind in enumerate(data.draw(st.lists(st.sampled_from(["bool", *KINDS]), min_size=1, max_size=12))):
        length = data.draw(st.integers(2, 20))
        row: dict[str, Any] = {
            "name": f"a{n}",
            "table": "holding",
            "type": f"{kind}[{length}]",
            "address": at,
        }
        if kind == "bool":
            row["address"] = f"{at}.{data.draw(st.integers(0, 15))}"
            values += data.draw(st.lists(st.integers(0, 1), min_size=length, max_size=length))
        else:
            row["order"] = data.draw(st.sampled_from(orders_of(kind)[:24]))
            values += data.draw(st.lists(numbers_of(kind), min_size=length, max_size=length))
        rows.append(row)
        at += 3 + length * 4
    found = [tag.address for tag in table_of(rows)]
    addresses = [address for address in found if isinstance(address, Address)]
    columns = meter.written_and_read(addresses, values)
    assert len(addresses) == len(values)
    assert [
        addresses[row] for row, value in enumerate(values) if not is_as_written(columns, row, value)
    ] == []
