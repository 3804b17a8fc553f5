"""The result block to the bit: a PLC program that nobody updates depends on it."""

import math
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.codec import Codec
from edge_agent.core.readplan import Limits, plan_blocks
from edge_agent.core.registers import Address
from edge_agent.core.resultblock import FIELDS, WORDS, ResultBlock, State, crc16, values

BLOCK = ResultBlock(
    heartbeat=0x0102,
    sequence=0x0304,
    state=State.ADVISORY,
    reason=20,
    alarm=1,
    score=0.75,
    value=3.0,
    reasons=(2, 7),
    denied=4,
    input_age_ms=1500,
    input_quality=2,
    bundle=0xDEADBEEF,
)
FRAME = "ea02 0102 0304 0004 0014 0001 3f400000 40400000 05dc 0002 0002 0007 0000 0004 deadbeef 0304"


def frame(block: ResultBlock) -> bytes:
    """What the agent puts on the wire for it: the fields through the same codec that writes tags."""
    addresses = [Address(table="holding", offset=400 + first, type=kind) for _, kind, first in FIELDS]
    (frame,) = Codec(addresses, plan_blocks(addresses, Limits())).encode(values(block))
    return frame


def crc_bit_by_bit(data: bytes) -> int:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def test_the_frame_is_20_words_as_the_map_says() -> None:
    body = bytes.fromhex(FRAME)
    assert frame(BLOCK) == body + struct.pack(">H", crc_bit_by_bit(body))
    assert len(frame(BLOCK)) == 2 * WORDS == 40


def test_the_fields_follow_each_other_without_a_hole() -> None:
    at = 0
    for _, kind, first in FIELDS:
        assert first == at
        at += 1 if kind == "uint16" else 2
    assert at == WORDS


def test_the_crc_is_the_published_one() -> None:
    assert crc16(b"123456789") == 0x4B37


@given(st.binary(max_size=300))
def test_the_crc_by_table_is_the_crc_by_bit(data: bytes) -> None:
    assert crc16(data) == crc_bit_by_bit(data)


def test_no_score_is_the_quiet_nan_and_the_crc_still_fits() -> None:
    data = frame(msgspec.structs.replace(BLOCK, score=math.nan))
    assert data[12:16].hex() == "7fc00000"
    assert struct.unpack(">H", data[38:])[0] == crc_bit_by_bit(data[:38])


counters = st.integers(0, 2**40)


@given(
    heartbeat=counters,
    sequence=counters,
    state=st.sampled_from(State),
    reason=st.integers(0, 30),
    alarm=st.integers(0, 63),
    score=st.floats(width=32),
    value=st.floats(width=32),
    reasons=st.lists(st.integers(1, 65535), max_size=3),
    denied=st.integers(0, 8),
    input_age_ms=st.integers(-5, 2**40),
    input_quality=st.integers(0, 2),
    bundle=st.integers(0, 2**32 - 1),
)
def test_any_block_survives_the_wire(**fields: object) -> None:
    block = msgspec.convert(fields, ResultBlock)
    data = frame(block)
    words = struct.unpack(">HHHHHHffHHHHHHIHH", data)
    age = min(max(block.input_age_ms, 0), 65535)
    expected = (
        0xEA02,
        block.heartbeat % 65536,
        block.sequence % 65536,
        block.state,
        block.reason,
        block.alarm,
        block.score,
        block.value,
        age,
        block.input_quality,
        *(*block.reasons, 0, 0, 0)[:3],
        block.denied,
        block.bundle,
        block.sequence % 65536,
        crc_bit_by_bit(data[:38]),
    )
    assert words == pytest.approx(expected, abs=0, rel=0, nan_ok=True)


def test_a_score_beyond_float32_is_infinite_not_a_crash() -> None:
    assert frame(msgspec.structs.replace(BLOCK, score=1e39))[12:16].hex() == "7f800000"
