"""Requests, frames and replies without any wire: a value, a typed error, or more bytes; nothing else."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modbus_exchange import EXCHANGES, FRAMERS, TRANSACTION, UNIT, Exchange, attack, outcome

from edge_agent.core.readplan import Block, Limits, plan_blocks
from edge_agent.core.registers import Address
from edge_agent.drivers.modbus import identification, pdu
from edge_agent.drivers.modbus.frames.ascii import Ascii
from edge_agent.drivers.modbus.frames.rtu import Rtu
from edge_agent.drivers.modbus.pdu import BadReply, DeviceException

WORDS = plan_blocks([Address(table="holding", offset=n, type="uint16") for n in (4, 5)], Limits())[0]
BITS = plan_blocks([Address(table="coil", offset=n, type="bool") for n in range(11)], Limits())[0]


def test_requests_are_what_the_specification_shows() -> None:
    """MODBUS Application Protocol V1.1b3, the examples of 6.1 to 6.6, 6.11, 6.12, 6.16, 6.17, 6.21."""
    assert pdu.read_block(WORDS).pdu.hex() == "0300040002"
    assert pdu.read_block(BITS).pdu.hex() == "010000000b"
    assert pdu.write_coil(0xAC, True).pdu.hex() == "0500acff00"
    assert pdu.write_register(1, 3).pdu.hex() == "0600010003"
    coils = Block("coil", 0x13, 10, BITS.rows)
    assert pdu.write_block(coils, bytes.fromhex("cd01")).pdu.hex() == "0f0013000a02cd01"
    block = Block("holding", 1, 2, WORDS.rows)
    assert pdu.write_block(block, bytes.fromhex("000a0102")).pdu.hex() == "100001000204000a0102"
    assert pdu.mask_register(4, 0xF2, 0x25).pdu.hex() == "16000400f20025"
    three = bytes.fromhex("00ff00ff00ff")
    assert pdu.read_write(3, 6, 0x0E, three).pdu.hex() == "1700030006000e00030600ff00ff00ff"
    assert identification.identify().pdu.hex() == "2b0e0100"


def test_frames_are_what_others_make_of_the_same() -> None:
    """The RTU frame is pymodbus', the ASCII frame the one of MODBUS over Serial Line V1.02, by hand."""
    assert Rtu().encode(0, 1, bytes.fromhex("0300000002")).hex() == "010300000002c40b"
    assert Ascii().encode(0, 1, bytes.fromhex("0300000002")) == b":010300000002FA\r\n"


@pytest.mark.parametrize("kind", FRAMERS)
@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda e: e.request.pdu[:1].hex())
def test_the_right_reply_gives_its_data_however_it_is_cut(kind: str, exchange: Exchange) -> None:
    stream = FRAMERS[kind]().encode(TRANSACTION, UNIT, exchange.reply)
    cuts = [(stream,)] if kind == "datagram" else [(stream[:n], stream[n:]) for n in range(len(stream))]
    for pieces in cuts:
        framer = FRAMERS[kind]()
        assert outcome(framer, exchange.request, list(pieces)) == exchange.data
        assert framer.pending == 0


@pytest.mark.parametrize("kind", FRAMERS)
@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda e: e.request.pdu[:1].hex())
def test_every_bit_that_flips_on_a_line_is_noticed(kind: str, exchange: Exchange) -> None:
    """A CRC finds every single bit. Where it is left to TCP, or to an LRC, the shape must still fit."""
    stream = FRAMERS[kind]().encode(TRANSACTION, UNIT, exchange.reply)
    for bit in range(8 * len(stream)):
        spoilt = bytearray(stream)
        spoilt[bit // 8] ^= 1 << bit % 8
        found = outcome(FRAMERS[kind](), exchange.request, [bytes(spoilt)])
        if isinstance(found, bytes):
            assert kind != "rtu"
            assert exchange.request.length in {None, len(exchange.request.head) + len(found)}


def test_only_the_right_reply_gives_data() -> None:
    assert pdu.read_block(WORDS).data(bytes.fromhex("0304aabbccdd")).hex() == "aabbccdd"
    assert pdu.read_block(BITS).data(bytes.fromhex("0102cd05")).hex() == "cd05"
    write = pdu.write_block(WORDS, bytes(4))
    assert write.data(bytes.fromhex("1000040002")) == b""
    for wrong in ("1000040003", "10000400", "100004000200", "0600040002", "90", "900200", ""):
        with pytest.raises(BadReply):
            write.data(bytes.fromhex(wrong))
    with pytest.raises(DeviceException, match="illegal data address"):
        write.data(bytes.fromhex("9002"))


@pytest.mark.parametrize("kind", FRAMERS)
def test_no_stream_whatsoever_is_anything_but_a_value_an_error_or_too_short(kind: str) -> None:
    """A million hostile replies, a quarter of them to each kind of frame; `make fuzz` gives other ones."""
    seen = attack(random.Random(20240601), kind, 250_000)
    assert set(seen) == {"value", "BadReply", "DeviceException", "more"}
    assert sum(seen.values()) == 250_000
    assert seen["value"] > 25_000


@settings(max_examples=300)
@given(kind=st.sampled_from(sorted(FRAMERS)), pieces=st.lists(st.binary(max_size=300), max_size=8))
def test_bytes_of_any_origin_do_no_more_than_that(kind: str, pieces: list[bytes]) -> None:
    for exchange in EXCHANGES:
        found = outcome(FRAMERS[kind](), exchange.request, pieces)
        assert isinstance(found, bytes) or found in {"BadReply", "DeviceException", "more"}


def test_what_a_line_shows_when_it_turns_round_is_no_part_of_a_frame() -> None:
    reply = Rtu().encode(0, UNIT, b"\x03\x02\x00\x07")
    assert outcome(Rtu(), pdu.read("holding", 0, 1), [b"\x00", b"\xff" + reply]) == b"\x00\x07"


def test_an_identification_is_read_object_by_object() -> None:
    data = EXCHANGES[-1].data
    assert identification.page(data) == (1, {0: b"Acme", 1: b"PX", 2: b"1.2"}, None)
    assert identification.page(b"\x83\xff\x02\x01\x00\x04Acme") == (3, {0: b"Acme"}, 2)


@pytest.mark.parametrize(
    "data",
    ["", "010000", "01000001", "0100000100", "010000010005ff", "0100000000", "01ff0001000141", "01ff000100"],
)
def test_an_identification_that_does_not_add_up_is_a_bad_reply(data: str) -> None:
    with pytest.raises(BadReply):
        identification.page(bytes.fromhex(data))
