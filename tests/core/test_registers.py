"""The read plan and the codec, against struct, against pymodbus, and against themselves."""

import itertools
import math
import random
import struct
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin

from edge_agent.core.registers import BIT_TABLES, TYPES, Address, Codec, Table, plan_blocks

Item = tuple[str, object, float, int]
"""Type, order or bit, value, registers left free before it."""

STRUCT = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
ORDERS = {
    1: ["".join(p) for p in itertools.permutations("AB")],
    2: ["".join(p) for p in itertools.permutations("ABCD")],
}
SAMPLES: dict[str, list[float]] = {
    "int16": [0, 1, -1, 0x1234, -32768, 32767],
    "uint16": [0, 1, 0x1234, 65535],
    "int32": [0, -1, 0x12345678, -(2**31), 2**31 - 1],
    "uint32": [0, 0x12345678, 2**32 - 1],
    "int64": [0, -1, 0x12345678901234, -(2**53), -(2**63)],
    "uint64": [0, 0x12345678901234, 2**53, 2**63],
    "float32": [0.0, -1.5, 1.5 * 2.0**100, 2.0**-149, math.inf, -math.inf],
    "float64": [0.0, -1.1, 1e300, 5e-324, math.inf],
}


def by_hand(value: float, kind: str, order: str) -> bytes:
    """The letters of the order say which byte of the big-endian value stands at each place."""
    letter = STRUCT[kind]
    big = struct.pack(">" + letter, value if letter in "fd" else int(value))
    return bytes(big["ABCDEFGH".index(place)] for place in order)


def round_trip(addresses: list[Address], values: list[float], max_gap: int = 16) -> list[float]:
    blocks = plan_blocks(addresses, max_gap)
    codec = Codec(addresses, blocks)
    return list(codec.decode(np.frombuffer(codec.encode(values), np.uint8)))


def orders_of(kind: str) -> st.SearchStrategy[str]:
    letters = "ABCDEFGH"[: TYPES[kind].itemsize]
    return st.one_of(st.just(""), st.permutations(letters).map("".join))


def values_of(kind: str) -> st.SearchStrategy[float]:
    dtype = TYPES[kind]
    if dtype.kind == "f":
        return st.floats(width=32 if dtype.itemsize == 4 else 64, allow_nan=False)
    info = np.iinfo(dtype.name)
    return st.integers(max(info.min, -(2**53)), min(info.max, 2**53)).map(float)


numbers = st.sampled_from(sorted(TYPES)).flatmap(
    lambda kind: st.tuples(st.just(kind), orders_of(kind), values_of(kind), st.integers(0, 30))
)
bits = st.tuples(st.just("bool"), st.integers(0, 15), st.integers(0, 1).map(float), st.integers(0, 30))


def laid_out(items: list[Item], start: int) -> tuple[list[Address], list[float]]:
    """Place the items one after the other, so that none overlaps, with the gaps that were drawn."""
    addresses, at = [], start
    for kind, detail, _, gap in items:
        if kind == "bool":
            address = Address(table="holding", offset=at + gap, type="bool", bit=int(str(detail)))
        else:
            address = Address(table="holding", offset=at + gap, type=kind, order=str(detail))
        addresses.append(address)
        at += gap + address.count
    return addresses, [value for _, _, value, _ in items]


@given(
    items=st.lists(st.one_of(numbers, bits), min_size=1, max_size=40),
    start=st.integers(0, 60000),
    max_gap=st.integers(0, 40),
    shuffle=st.randoms(use_true_random=False),
)
def test_decode_undoes_encode_in_any_mixed_plan(
    items: list[Item], start: int, max_gap: int, shuffle: random.Random
) -> None:
    addresses, values = laid_out(items, start)
    together = list(zip(addresses, values, strict=True))
    shuffle.shuffle(together)
    addresses, values = [a for a, _ in together], [v for _, v in together]
    assert all(a.problem() is None for a in addresses)
    assert round_trip(addresses, values, max_gap) == values


@pytest.mark.parametrize("kind", ["int16", "uint16", "int32", "uint32", "float32"])
def test_every_order_of_16_and_32_bits_stands_on_the_wire_as_its_letters_say(kind: str) -> None:
    for order in ORDERS[TYPES[kind].itemsize // 2]:
        for value in SAMPLES[kind]:
            check_one(Address(table="holding", offset=7, type=kind, order=order), value)


@pytest.mark.parametrize("kind", ["int64", "uint64", "float64"])
@given(data=st.data())
def test_orders_of_64_bits_stand_on_the_wire_as_their_letters_say(kind: str, data: st.DataObject) -> None:
    order = data.draw(st.permutations("ABCDEFGH").map("".join))
    for value in SAMPLES[kind]:
        check_one(Address(table="input", offset=65532, type=kind, order=order), value)


def check_one(address: Address, value: float) -> None:
    codec = Codec([address], plan_blocks([address], 0))
    wire = by_hand(value, address.type, address.order)
    assert codec.encode([value]) == wire, (address, value)
    assert codec.decode(np.frombuffer(wire, np.uint8)).tolist() == [value], (address, value)


@pytest.mark.parametrize(("order", "word_order"), [("ABCD", "big"), ("CDAB", "little")])
@pytest.mark.parametrize("kind", ["int32", "uint32", "float32"])
def test_the_usual_orders_agree_with_pymodbus(
    kind: str, order: str, word_order: Literal["big", "little"]
) -> None:
    theirs = ModbusClientMixin.DATATYPE[kind.upper()]
    address = Address(table="holding", offset=0, type=kind, order=order)
    codec = Codec([address], plan_blocks([address], 0))
    for value in SAMPLES[kind]:
        wire = codec.encode([value])
        registers = list(struct.unpack(">2H", wire))
        assert ModbusClientMixin.convert_from_registers(registers, theirs, word_order=word_order) == value
        native = value if kind == "float32" else int(value)
        assert ModbusClientMixin.convert_to_registers(native, theirs, word_order=word_order) == registers


def test_no_order_means_most_significant_first() -> None:
    address = Address(table="holding", offset=0, type="uint32")
    assert Codec([address], plan_blocks([address], 0)).encode([0x01020304]) == b"\x01\x02\x03\x04"


def test_a_not_a_number_passes_through_a_float() -> None:
    for kind in ("float32", "float64"):
        assert math.isnan(round_trip([Address(table="holding", offset=0, type=kind)], [math.nan])[0])


def test_bit_0_of_a_register_is_the_least_significant() -> None:
    addresses = [Address(table="holding", offset=3, type="bool", bit=bit) for bit in range(16)]
    codec = Codec(addresses, plan_blocks(addresses, 0))
    word = np.frombuffer(struct.pack(">H", 0b1000_0001_0000_0010), np.uint8)
    assert [bit for bit, on in enumerate(codec.decode(word)) if on] == [1, 8, 15]
    assert codec.encode([float(bit in (1, 8, 15)) for bit in range(16)]) == word.tobytes()


@given(st.lists(st.booleans(), min_size=1, max_size=100), st.integers(0, 60000))
def test_coils_stand_eight_to_a_byte_the_first_in_the_lowest_bit(states: list[bool], start: int) -> None:
    addresses = [Address(table="coil", offset=start + i, type="bool") for i in range(len(states))]
    codec = Codec(addresses, plan_blocks(addresses, 0))
    expected = bytearray((len(states) + 7) // 8)
    for i, state in enumerate(states):
        expected[i // 8] |= state << i % 8
    assert codec.encode([float(s) for s in states]) == expected
    assert codec.decode(np.frombuffer(bytes(expected), np.uint8)).tolist() == states


tables: st.SearchStrategy[Table] = st.sampled_from(["coil", "discrete", "input", "holding"])


@st.composite
def any_address(draw: st.DrawFn) -> Address:
    table = draw(tables)
    kind = "bool" if table in BIT_TABLES else draw(st.sampled_from(["bool", *TYPES]))
    bit = draw(st.integers(0, 15)) if kind == "bool" and table not in BIT_TABLES else None
    return Address(table=table, offset=draw(st.integers(0, 600)), type=kind, bit=bit)


@given(
    addresses=st.lists(any_address(), min_size=1, max_size=60),
    max_gap=st.integers(0, 50),
    max_registers=st.integers(4, 125),
    max_bits=st.integers(1, 300),
)
def test_a_plan_covers_all_within_the_limits_and_bridges_no_more_than_max_gap(
    addresses: list[Address], max_gap: int, max_registers: int, max_bits: int
) -> None:
    blocks = plan_blocks(addresses, max_gap, max_registers, max_bits)
    held = sorted(row for block in blocks for row in block.rows)
    assert held == list(range(len(addresses)))
    for block in blocks:
        assert block.count <= (max_bits if block.table in BIT_TABLES else max_registers)
        wanted = set[int]()
        for row in block.rows:
            address = addresses[row]
            assert address.table == block.table
            assert block.start <= address.offset
            assert address.offset + address.count <= block.start + block.count
            wanted |= set(range(address.offset, address.offset + address.count))
        assert {block.start, block.start + block.count - 1} <= wanted
        ordered = sorted(wanted)
        assert max((b - a - 1 for a, b in itertools.pairwise(ordered)), default=0) <= max_gap


@given(addresses=st.lists(any_address(), min_size=1, max_size=60), max_gap=st.integers(0, 50))
def test_neighbouring_blocks_could_not_have_been_one(addresses: list[Address], max_gap: int) -> None:
    blocks = plan_blocks(addresses, max_gap, 125, 200)
    for a, b in itertools.pairwise(blocks):
        if a.table == b.table:
            first = addresses[b.rows[0]]
            too_far = b.start - (a.start + a.count) > max_gap
            too_long = first.offset + first.count - a.start > (200 if a.table in BIT_TABLES else 125)
            assert too_far or too_long


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((kind, math.nan) for kind in TYPES if "int" in kind),
        *((kind, math.inf) for kind in TYPES if "int" in kind),
        *((kind, 0.5) for kind in TYPES if "int" in kind),
        ("int16", 32768.0),
        ("int16", -32769.0),
        ("uint16", -1.0),
        ("uint16", 65536.0),
        ("int32", 2.0**31),
        ("uint32", 2.0**32),
        ("uint32", -1.0),
        ("int64", 2.0**63),
        ("uint64", 2.0**64),
        ("uint64", -1.0),
        ("float32", 1e39),
        ("float32", -1e39),
        ("bool", math.nan),
        ("bool", 2.0),
    ],
)
def test_a_value_that_its_type_cannot_hold_is_refused(kind: str, value: float) -> None:
    address = Address(table="coil" if kind == "bool" else "holding", offset=0, type=kind)
    with pytest.raises(ValueError, match=kind):
        Codec([address], plan_blocks([address], 0)).encode([value])


def test_one_bad_value_among_good_ones_refuses_them_all() -> None:
    addresses = [Address(table="holding", offset=i, type="int16") for i in range(3)]
    with pytest.raises(ValueError, match="int16"):
        Codec(addresses, plan_blocks(addresses, 0)).encode([1.0, 40000.0, 2.0])


@pytest.mark.parametrize("count", [1, 3])
def test_as_many_values_as_addresses_are_needed(count: int) -> None:
    addresses = [Address(table="holding", offset=i, type="int16") for i in range(2)]
    with pytest.raises(ValueError, match="2"):
        Codec(addresses, plan_blocks(addresses, 0)).encode([1.0] * count)


@given(any_address(), any_address())
def test_a_good_address_has_no_problem(a: Address, b: Address) -> None:
    assume(a != b)
    assert a.problem() is None


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (Address(table="holding", offset=65535, type="uint32"), "outside"),
        (Address(table="holding", offset=-1, type="uint16"), "outside"),
        (Address(table="holding", offset=0, type="int24"), "int24"),
        (Address(table="holding", offset=0, type="uint8", order="AB"), "H nor L"),
        (Address(table="holding", offset=0, type="int16", bit=4, width=4), "uint16"),
        (Address(table="holding", offset=0, type="uint16", bit=12, width=5), "bits 12-16"),
        (Address(table="holding", offset=0, type="string"), "string[n]"),
        (Address(table="holding", offset=0, type="string", length=4, encoding="ebcdic"), "ebcdic"),
        (Address(table="holding", offset=0, type="uint16", nan=(0x18000,)), "16 bits"),
        (Address(table="holding", offset=0, type="uint32", order="AB"), "order"),
        (Address(table="holding", offset=0, type="uint32", order="AACD"), "order"),
        (Address(table="holding", offset=0, type="bool"), "bit"),
        (Address(table="holding", offset=0, type="bool", bit=16), "bit 16"),
        (Address(table="coil", offset=0, type="bool", bit=0), "bit"),
        (Address(table="coil", offset=0, type="uint16"), "bool"),
        (Address(table="coil", offset=0, type="bool", order="AB"), "order"),
        (Address(table="input", offset=0, type="uint16", bit=3), "bit"),
    ],
)
def test_an_address_says_what_is_wrong_with_it(address: Address, problem: str) -> None:
    assert problem in (address.problem() or "nothing")
