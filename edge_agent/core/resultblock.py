"""The result block: what the agent writes into the PLC, as one frame of 20 words.

Big-endian words, IEEE 754 float with the high word first. The PLC takes a score only when the layout
is known, the CRC is right, both copies of the sequence agree and are new. `heartbeat` moves while the
agent lives; `sequence` moves only with a fresh, valid result. Where there is no result the score is
NaN, never an old or a healthy number.
"""

import math
import struct
from enum import IntEnum, IntFlag

import msgspec

LAYOUT = 0xEA02
BEAT = 0.25
"""Seconds between looks at who needs a heartbeat."""
EARLY = 0.9
"""Part of a heartbeat's time after which one is due that the next result would bring too late."""
_FLOAT = struct.Struct(">f")


class State(IntEnum):
    """The machine as the PLC sees it, after NAMUR NE 194. The PLC reads this number: never renumber."""

    OFF = 0
    STARTING = 1
    READY = 2
    SHADOW = 3
    ADVISORY = 4
    ACTIVE = 5
    FALLBACK = 6
    FAULT = 7


class AlarmBits(IntFlag):
    """The word `alarm`. Raised is active or latched, and not shelved. Never renumber."""

    ALARM = 1
    WARNING = 2
    ALARM_UNACKNOWLEDGED = 4
    WARNING_UNACKNOWLEDGED = 8
    ALARM_SHELVED = 16
    WARNING_SHELVED = 32


class ResultBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One frame.

    `alarm` is of `AlarmBits`, `input_quality` is the worst input's, `value` is what the score stands for: a
    class index, a quantity. `reasons` are the numbers of up to three inputs that made the score, counted
    from 1. `denied` says why declared outputs are not written, as `permit.Denied` numbers it.
    """

    heartbeat: int
    sequence: int
    state: State
    reason: int
    alarm: int
    score: float
    value: float
    input_age_ms: int
    input_quality: int
    reasons: tuple[int, ...] = ()
    denied: int
    bundle: int


FIELDS: tuple[tuple[str, str, int], ...] = (
    ("layout", "uint16", 0),
    ("heartbeat", "uint16", 1),
    ("sequence", "uint16", 2),
    ("state", "uint16", 3),
    ("reason", "uint16", 4),
    ("alarm", "uint16", 5),
    ("score", "float32", 6),
    ("value", "float32", 8),
    ("input_age_ms", "uint16", 10),
    ("input_quality", "uint16", 11),
    ("reason_1", "uint16", 12),
    ("reason_2", "uint16", 13),
    ("reason_3", "uint16", 14),
    ("denied", "uint16", 15),
    ("bundle", "uint32", 16),
    ("sequence_again", "uint16", 18),
    ("crc", "uint16", 19),
)
"""Name, type and first word of every field. A test holds the table in the documents to it."""

_CODES = {"uint16": "H", "uint32": "I", "float32": "f"}
_FRAME = struct.Struct(">" + "".join(_CODES[kind] for _, kind, _ in FIELDS))
_CHECKED = struct.Struct(_FRAME.format[:-1])
WORDS = _FRAME.size // 2


def values(block: ResultBlock) -> list[float]:
    """Return the raw value of every field in the order of `FIELDS`, the CRC computed over words 0..18."""
    sequence = block.sequence & 0xFFFF
    fields = (
        LAYOUT,
        block.heartbeat & 0xFFFF,
        sequence,
        block.state,
        block.reason,
        block.alarm,
        _float32(block.score),
        _float32(block.value),
        min(max(block.input_age_ms, 0), 0xFFFF),
        block.input_quality,
        *(*block.reasons, 0, 0, 0)[:3],
        block.denied,
        block.bundle & 0xFFFFFFFF,
        sequence,
    )
    return [float(field) for field in (*fields, crc16(_CHECKED.pack(*fields)))]


def _float32(value: float) -> float:
    """Round as the register will; what is too large for it is infinite, as IEEE 754 has it."""
    try:
        (rounded,) = _FLOAT.unpack(_FLOAT.pack(value))
    except OverflowError:
        return math.copysign(math.inf, value)
    return float(rounded)


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC = _crc_table()


def crc16(data: bytes) -> int:
    """Return the CRC-16 of MODBUS over Serial Line V1.02, 6.2.2: polynomial 0xA001, start 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc
