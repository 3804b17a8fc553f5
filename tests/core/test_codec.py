"""The codec: against struct, against pymodbus, and against itself for every type, order and place."""

import itertools
import math
import random
import struct
from fractions import Fraction
from typing import Any, Literal

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from modbus_items import Item, by_hand, items, numbers_of
from pymodbus.client.mixin import ModbusClientMixin

from edge_agent.core.codec import Codec, Decoded
from edge_agent.core.kinds import KINDS, TIMES
from edge_agent.core.readplan import Limits, plan_blocks
from edge_agent.core.registers import ENCODINGS, Address
from edge_agent.core.tags import Grader, Quality, Reason, Sample, Tag

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
    "float16": [0.0, -1.5, 65504.0, 2.0**-24, math.inf],
    "float32": [0.0, -1.5, 1.5 * 2.0**100, 2.0**-149, math.inf, -math.inf],
    "float64": [0.0, -1.1, 1e300, 5e-324, math.inf],
}


def decoded(codec: Codec, *data: bytes) -> Decoded:
    """Decode the data of the blocks, whose bits take a byte each in the buffer."""
    buffer = np.zeros(codec.layout.size + 1, np.uint8)
    buffer[: codec.layout.size] = np.frombuffer(b"".join(data), np.uint8)
    return codec.decode(buffer, np.zeros(codec.rows, np.uint8))


def codec_of(addresses: list[Address], max_gap: int = 0) -> Codec:
    assert [a.problem() for a in addresses] == [None] * len(addresses)
    return Codec(addresses, plan_blocks(addresses, Limits(max_gap)))


@given(
    drawn=st.lists(items(), min_size=1, max_size=40),
    start=st.integers(0, 60000),
    max_gap=st.integers(0, 40),
    shuffle=st.randoms(use_true_random=False),
)
def test_decode_undoes_encode_for_every_type_order_and_place(
    drawn: list[Item], start: int, max_gap: int, shuffle: random.Random
) -> None:
    pairs, at = [], start
    for address, value, gap in drawn:
        pairs.append((msgspec.structs.replace(address, offset=at + gap), value))
        at += gap + address.count
    shuffle.shuffle(pairs)
    codec = codec_of([address for address, _ in pairs], max_gap)
    raw, reason, exact = decoded(codec, *codec.encode([value for _, value in pairs]))
    for row, (address, value) in enumerate(pairs):
        if isinstance(value, str):
            assert (exact[row], raw[row], reason[row]) == (value, len(value), Reason.NONE), address
        elif raw.tolist()[row] == value:
            assert reason[row] == Reason.NONE, address
        else:
            assert (exact[row], reason[row]) == (value, Reason.ROUNDED), address
            assert raw[row] == float(value)


@pytest.mark.parametrize("kind", ["int16", "uint16", "float16", "int32", "uint32", "float32"])
def test_every_order_of_16_and_32_bits_stands_on_the_wire_as_its_letters_say(kind: str) -> None:
    for order in ORDERS[KINDS[kind].size // 2]:
        for value in SAMPLES[kind]:
            check_one(Address(table="holding", offset=7, type=kind, order=order), value)


@pytest.mark.parametrize("kind", ["int64", "uint64", "float64"])
@given(data=st.data())
def test_orders_of_64_bits_stand_on_the_wire_as_their_letters_say(kind: str, data: st.DataObject) -> None:
    order = data.draw(st.permutations("ABCDEFGH").map("".join))
    for value in SAMPLES[kind]:
        check_one(Address(table="input", offset=65532, type=kind, order=order), value)


def check_one(address: Address, value: float) -> None:
    codec = codec_of([address])
    wire = by_hand(value, address.type, address.order)
    assert codec.encode([value]) == [wire], (address, value)
    assert decoded(codec, wire).raw.tolist() == [value], (address, value)


@pytest.mark.parametrize(("order", "word_order"), [("ABCD", "big"), ("CDAB", "little")])
@pytest.mark.parametrize("kind", ["int32", "uint32", "float32"])
def test_the_usual_orders_agree_with_pymodbus(
    kind: str, order: str, word_order: Literal["big", "little"]
) -> None:
    theirs = ModbusClientMixin.DATATYPE[kind.upper()]
    address = Address(table="holding", offset=0, type=kind, order=order)
    codec = codec_of([address])
    for value in SAMPLES[kind]:
        (wire,) = codec.encode([value])
        registers = list(struct.unpack(">2H", wire))
        assert ModbusClientMixin.convert_from_registers(registers, theirs, word_order=word_order) == value
        native = value if kind == "float32" else int(value)
        assert ModbusClientMixin.convert_to_registers(native, theirs, word_order=word_order) == registers


def test_no_order_means_most_significant_first() -> None:
    address = Address(table="holding", offset=0, type="uint32")
    assert codec_of([address]).encode([0x01020304]) == [b"\x01\x02\x03\x04"]


def test_a_not_a_number_passes_through_a_float() -> None:
    for kind in ("float16", "float32", "float64"):
        codec = codec_of([Address(table="holding", offset=0, type=kind)])
        assert math.isnan(decoded(codec, *codec.encode([math.nan])).raw[0])


def test_bit_0_of_a_register_is_the_least_significant() -> None:
    addresses = [Address(table="holding", offset=3, type="bool", bit=bit) for bit in range(16)]
    codec = codec_of(addresses)
    word = struct.pack(">H", 0b1000_0001_0000_0010)
    assert [bit for bit, on in enumerate(decoded(codec, word).raw) if on] == [1, 8, 15]
    assert codec.encode([float(bit in (1, 8, 15)) for bit in range(16)]) == [word]


@given(st.lists(st.booleans(), min_size=1, max_size=100), st.integers(0, 60000))
def test_coils_stand_eight_to_a_byte_the_first_in_the_lowest_bit(states: list[bool], start: int) -> None:
    addresses = [Address(table="coil", offset=start + i, type="bool") for i in range(len(states))]
    codec = codec_of(addresses)
    expected = bytearray((len(states) + 7) // 8)
    for i, state in enumerate(states):
        expected[i // 8] |= state << i % 8
    assert codec.encode([float(s) for s in states]) == [expected]
    assert decoded(codec, bytes(states)).raw.tolist() == states


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((kind, math.nan) for kind in KINDS if "int" in kind),
        *((kind, math.inf) for kind in KINDS if "int" in kind),
        *((kind, 0.5) for kind in KINDS if "int" in kind),
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
        ("int8", 128.0),
        ("uint8", -1.0),
        ("float16", 65520.0),
        ("bcd16", 10000.0),
        ("bcd32", -1.0),
        ("time_iec", 0.0),
        ("time_bytes", math.nan),
        ("bool", math.nan),
        ("bool", 2.0),
    ],
)
def test_a_value_that_its_type_cannot_hold_is_refused(kind: str, value: float) -> None:
    address = Address(table="coil" if kind == "bool" else "holding", offset=0, type=kind)
    with pytest.raises(ValueError, match="does not fit"):
        codec_of([address]).encode([value])


def test_one_bad_value_among_good_ones_refuses_them_all() -> None:
    addresses = [Address(table="holding", offset=i, type="int16") for i in range(3)]
    with pytest.raises(ValueError, match="int16"):
        codec_of(addresses).encode([1.0, 40000.0, 2.0])


@pytest.mark.parametrize("count", [1, 3])
def test_as_many_values_as_addresses_are_needed(count: int) -> None:
    addresses = [Address(table="holding", offset=i, type="int16") for i in range(2)]
    with pytest.raises(ValueError, match="2"):
        codec_of(addresses).encode([1.0] * count)


def one(kind: str, wire: str, **more: Any) -> tuple[float, Reason, int | str | None]:
    """Decode one value of registers in hexadecimal."""
    codec = codec_of([Address(table="holding", offset=9, type=kind, **more)])
    raw, reason, exact = decoded(codec, bytes.fromhex(wire))
    return raw.tolist()[0], Reason(reason[0]), exact.get(0)


def test_a_bit_field_of_two_registers_stands_where_its_order_says() -> None:
    assert one("uint32", "12345678", bit=8, width=12)[0] == 0x456
    assert one("uint32", "56781234", bit=8, width=12, order="CDAB")[0] == 0x456


def test_a_byte_is_the_low_one_unless_it_is_said_to_be_the_high_one() -> None:
    assert one("uint8", "fe01")[0] == one("uint8", "fe01", order="L")[0] == 1
    assert one("int8", "fe01", order="H")[0] == -2


@pytest.mark.parametrize(
    ("kind", "wire", "value"),
    [("bcd16", "9999", 9999), ("bcd16", "0042", 42), ("bcd32", "12345678", 12345678)],
)
def test_decimal_digits_stand_four_bits_each(kind: str, wire: str, value: float) -> None:
    assert one(kind, wire) == (value, Reason.NONE, None)


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        ("bcd16", "00a0"),
        ("bcd32", "0000000f"),
        ("time_iec", "0017021f00000000"),  # a 31 February
        ("time_iec", "0017000100000000"),
        ("time_iec", "0017010118000000"),  # 24 o'clock
        ("time_iec", "0017010100800000"),  # declared invalid
        ("time_bytes", "170d01000000"),
        ("time_bytes", "17010100003c"),
    ],
)
def test_bytes_that_are_no_value_of_the_type_have_no_value(kind: str, wire: str) -> None:
    assert one(kind, wire)[1] is Reason.UNDECODABLE


def test_times_of_meters_are_seconds_since_1970_and_a_text() -> None:
    at = 1709210096.789  # 2024-02-29 12:34:56.789
    text = "2024-02-29T12:34:56"
    assert one("time_iec", "001802fd8c22ddd5") == (at, Reason.NONE, text + ".789")
    assert one("time_bytes", "18020c0b0a09")[2] == "2024-02-12T11:10:09.000"
    assert one("time_unix", "65e079f0") == (float(int(at)), Reason.NONE, text + ".000")


def test_a_text_ends_at_its_nul_and_blanks_fill_it_up() -> None:
    assert one("string", "4142 4320 00ff", length=6) == (3.0, Reason.NONE, "ABC")
    assert one("string", "4241 2043", length=3, order="BA")[2] == "ABC"
    assert one("string", "c3bc", length=2, encoding="utf-8") == (1.0, Reason.NONE, "ü")
    assert one("string", "00fc", length=2, encoding="utf-16-be")[2] == "ü"
    assert one("string", "ff41", length=2)[1] is Reason.UNDECODABLE


@pytest.mark.parametrize(
    ("kind", "wire", "mark"),
    [
        ("int16", "8000", 0x8000),
        ("uint16", "ffff", 0xFFFF),
        ("float32", "7fc00000", 0x7FC00000),
        ("int32", "00008000", 0x80000000),
        ("uint64", "ffffffffffffffff", 0xFFFFFFFFFFFFFFFF),
        ("bcd16", "ffff", 0xFFFF),
        ("uint8", "ff80", 0x80),
    ],
)
def test_a_mark_of_no_value_is_no_value_whatever_its_order(kind: str, wire: str, mark: int) -> None:
    order = "CDAB" if kind == "int32" else ""
    assert one(kind, wire, order=order, nan=(1, mark))[1] is Reason.NO_VALUE
    assert one(kind, "0002" * (len(wire) // 4), nan=(mark,))[1] is Reason.NONE


def test_a_counter_beyond_what_a_float_holds_is_exact_beside_it() -> None:
    assert one("uint64", "0020000000000001") == (2.0**53, Reason.ROUNDED, 2**53 + 1)
    assert one("int64", "ffdfffffffffffff") == (-(2.0**53), Reason.ROUNDED, -(2**53) - 1)
    assert one("uint64", "8000000000000000") == (2.0**63, Reason.NONE, 2**63)


def graded(tag: Tag, wire: bytes) -> Sample:
    """Read one tag of registers, as a scan does."""
    assert isinstance(tag.address, Address)
    factor = [tag.address.factor] if tag.address.factor else []
    raw, reason, exact = decoded(codec_of([tag.address, *factor]), wire)
    return Grader([tag]).grade(raw[:1], reason[:1], 1, exact)[0]


DECIMALS = st.builds(lambda digits, places: digits / 10**places, st.integers(1, 10**15), st.integers(0, 15))


@given(
    kind=st.sampled_from(["int64", "uint64"]), scale=DECIMALS, offset=st.just(0.0) | DECIMALS, data=st.data()
)
def test_a_scaled_counter_beyond_what_a_float_holds_is_exact_beside_it(
    kind: str, scale: float, offset: float, data: st.DataObject
) -> None:
    raw = int(data.draw(numbers_of(kind)))
    tag = Tag(name="u.t", address=Address(table="holding", offset=9, type=kind), scale=scale, offset=offset)
    sample = graded(tag, by_hand(raw, kind, "ABCDEFGH"))
    assert sample.value == float(raw) * scale + offset
    if abs(raw) <= 2**53:
        assert sample.exact is None
    else:
        wanted = raw * Fraction(repr(scale)) + Fraction(repr(offset))
        assert Fraction(str(sample.exact)) == wanted
        assert (sample.reason is Reason.ROUNDED) == (int(float(raw)) != raw)


@given(raw=st.integers(2**53 + 1, 2**64 - 1), power=st.integers(-10, 10))
def test_a_counter_with_a_scale_factor_is_exact_beside_it(raw: int, power: int) -> None:
    factor = Address(table="holding", offset=4, type="int16")
    address = Address(table="holding", offset=0, type="uint64", factor=factor)
    for scale in (1.0, 0.001):
        sample = graded(Tag(name="u.t", address=address, scale=scale), struct.pack(">Qh", raw, power))
        assert Fraction(str(sample.exact)) == raw * Fraction(10) ** power * Fraction(str(scale))


def test_watt_hours_in_kilowatt_hours_are_told_to_the_last_one() -> None:
    tag = Tag(name="u.t", address=Address(table="holding", offset=0, type="uint64"), scale=0.001)
    sample = graded(tag, (2**53 + 1).to_bytes(8))
    assert (sample.exact, sample.quality) == ("9007199254740.993", Quality.UNCERTAIN)
    assert sample.value == 2.0**53 * 0.001


@pytest.mark.parametrize(
    ("value", "factor", "engineering", "reason"),
    [
        ("00eb", "ffff", 23.5, Reason.NONE),
        ("0003", "ffff", 0.3, Reason.NONE),
        ("0003", "0002", 300.0, Reason.NONE),
        ("0003", "0000", 3.0, Reason.NONE),
        ("0003", "8000", None, Reason.NO_VALUE),
        ("8000", "ffff", None, Reason.NO_VALUE),
        ("0003", "000b", None, Reason.UNDECODABLE),
    ],
)
def test_a_scale_factor_is_a_power_of_ten(
    value: str, factor: str, engineering: float | None, reason: Reason
) -> None:
    power = Address(table="holding", offset=3, type="int16", nan=(0x8000,))
    codec = codec_of([Address(table="holding", offset=2, type="int16", factor=power, nan=(0x8000,)), power])
    raw, why, _ = decoded(codec, bytes.fromhex(value + factor))
    assert Reason(why[0]) is reason
    if engineering is not None:
        assert raw[0] == engineering


def test_a_row_without_bytes_keeps_its_reason() -> None:
    codec = codec_of([Address(table="holding", offset=i, type="bcd16") for i in range(2)])
    buffer = np.full(codec.layout.size + 1, 0xFF, np.uint8)
    reason = np.array([Reason.DEVICE_REFUSED, Reason.NONE], np.uint8)
    assert codec.decode(buffer, reason).reason.tolist() == [Reason.DEVICE_REFUSED, Reason.UNDECODABLE]


@pytest.mark.parametrize(
    ("address", "value"),
    [
        (Address(table="holding", offset=0, type="string", length=2), "abc"),
        (Address(table="holding", offset=0, type="string", length=2), "ü"),
        (Address(table="holding", offset=0, type="string", length=2), 1.0),
        (Address(table="holding", offset=0, type="uint16"), "1"),
        (Address(table="holding", offset=0, type="uint16", bit=2, width=3), 8.0),
        (
            Address(
                table="holding",
                offset=0,
                type="int16",
                factor=Address(table="holding", offset=1, type="int16"),
            ),
            1.0,
        ),
    ],
)
def test_what_an_address_cannot_take_is_refused(address: Address, value: float | str) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        codec_of([address]).encode([value])


EVERYTHING = [
    *(Address(table="holding", offset=0, type=kind) for kind in KINDS),
    *(Address(table="holding", offset=0, type="string", length=6, encoding=e) for e in ENCODINGS),
    Address(table="holding", offset=0, type="uint64", bit=3, width=60, nan=(7,)),
]
FACTORS = [
    Address(table="holding", offset=offset, type=kind) for kind, offset in (("int16", 4), ("int64", 1))
]
EVERYTHING += [
    msgspec.structs.replace(a, factor=factor)
    for a in EVERYTHING
    for factor in FACTORS
    if a.type not in ("string", *TIMES)
]


@given(st.binary(min_size=10, max_size=10))
@example(bytes.fromhex("7fa00000000000000000"))  # a signalling NaN
@example(bytes.fromhex("7fefffffffffffff000a"))  # the largest float64, by a factor of 10^10
@example(bytes.fromhex("00000040000000000001"))  # a factor that is a counter beyond 2^53
def test_whatever_stands_in_registers_is_a_value_or_none(data: bytes) -> None:
    tags = [Tag(name=str(i), address=address) for i, address in enumerate(EVERYTHING)]
    raw, reason, exact = decoded(codec_of(EVERYTHING), data)
    columns = Grader(tags).grade(raw, reason, 1, exact)
    for row in range(len(tags)):
        sample = columns[row]
        assert math.isnan(sample.value) == (sample.quality is Quality.BAD)
        assert (sample.quality is Quality.GOOD) == (sample.reason is Reason.NONE)
        assert not math.isinf(sample.value)
        assert sample.exact is None or sample.quality is not Quality.BAD
