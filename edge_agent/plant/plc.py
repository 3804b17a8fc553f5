"""The PLC's program: one cycle from what it reads to what it decides. Pure; time is an argument.

It is the other side's program, so it shares nothing with the agent but the layout of the result block.
It watches the agent's heartbeat word, takes a result only from a frame that proves itself, and decides
about its lamp alone whenever it cannot trust the agent.
"""

import math
import struct
from collections.abc import Sequence
from enum import IntEnum

import msgspec

from edge_agent.plant.registers import RESULT_WORDS

CYCLE = 0.1  # s
HEARTBEAT_TIMEOUT = 2.0  # s
VIBRATION_LIMIT = 11.0  # mm/s RMS

LAYOUT = 0xEA02
STATE_READY, STATE_ADVISORY, STATE_ACTIVE = 2, 4, 5
ALARM_ACTIVE = 0x0001


class AgentState(IntEnum):
    """What the PLC thinks of the agent."""

    UNSEEN = 0
    ALIVE = 1
    FALLBACK = 2


class Result(msgspec.Struct, frozen=True):
    """What the PLC takes from a sound frame."""

    sequence: int
    state: int
    alarm: bool
    score: float

    @property
    def decides(self) -> bool:
        """Whether the agent means the PLC to act on it."""
        return self.state in {STATE_READY, STATE_ADVISORY, STATE_ACTIVE} and not math.isnan(self.score)


class Decision(msgspec.Struct, frozen=True):
    """The PLC's outputs of one cycle. `heartbeat_age` is in ms and saturates at 65535."""

    heartbeat: int
    agent_state: AgentState
    heartbeat_age: int
    lamp: bool
    sequence: int
    fallbacks: int


def crc(words: Sequence[int]) -> int:
    """Return the CRC-16/MODBUS over the words, each as two bytes, high byte first."""
    remainder = 0xFFFF
    for byte in struct.pack(f">{len(words)}H", *words):
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ 0xA001 if remainder & 1 else remainder >> 1
    return remainder


def read_result(words: Sequence[int]) -> Result | None:
    """Return the result in 20 words, or None if the frame is torn, damaged or of another layout."""
    if len(words) != RESULT_WORDS or words[0] != LAYOUT:
        return None
    if words[2] != words[18] or words[19] != crc(words[:19]):
        return None
    (score,) = struct.unpack(">f", struct.pack(">2H", words[6], words[7]))
    return Result(words[2], words[3], bool(words[5] & ALARM_ACTIVE), score)


class Program:
    """The PLC program's memory between two cycles.

    A result counts while the heartbeat moves and sound frames that decide keep standing in the block:
    a sound frame in any other state withdraws the last result at once, damaged frames let it expire
    after `heartbeat_timeout` seconds.
    """

    def __init__(self, heartbeat_timeout: float = HEARTBEAT_TIMEOUT) -> None:
        self.heartbeat_timeout = heartbeat_timeout
        self._cycles = 0
        self._agent = AgentState.UNSEEN
        self._heartbeat: int | None = None
        self._moved_at = 0.0
        self._sound_at = 0.0
        self._sequence: int | None = None
        self._alarm: bool | None = None
        self._fallbacks = 0

    def step(self, now: float, block: Sequence[int], vibration: float) -> Decision:
        """Run one cycle.

        Args:
            now: monotonic seconds.
            block: the 20 words of the agent's result block.
            vibration: mm/s RMS, for the PLC's own limit.
        """
        self._cycles = (self._cycles + 1) & 0xFFFF
        self._watch_heartbeat(now, block[1])
        self._take_result(now, block)
        lamp = self._alarm if self._alarm is not None else vibration > VIBRATION_LIMIT
        return Decision(
            heartbeat=self._cycles,
            agent_state=self._agent,
            heartbeat_age=self._age(now),
            lamp=lamp,
            sequence=self._sequence or 0,
            fallbacks=self._fallbacks,
        )

    def _watch_heartbeat(self, now: float, heartbeat: int) -> None:
        if self._heartbeat is not None and heartbeat != self._heartbeat:
            self._agent = AgentState.ALIVE
            self._moved_at = now
        elif self._agent is AgentState.ALIVE and now - self._moved_at > self.heartbeat_timeout:
            self._agent = AgentState.FALLBACK
            self._fallbacks = (self._fallbacks + 1) & 0xFFFF
        self._heartbeat = heartbeat

    def _take_result(self, now: float, block: Sequence[int]) -> None:
        result = read_result(block) if self._agent is AgentState.ALIVE else None
        if result is not None and result.decides:
            self._sound_at = now
            if result.sequence != self._sequence:
                self._sequence = result.sequence
                self._alarm = result.alarm
        expired = now - self._sound_at > self.heartbeat_timeout
        withdrawn = result is not None and not result.decides
        if self._agent is not AgentState.ALIVE or withdrawn or expired:
            self._alarm = None

    def _age(self, now: float) -> int:
        if self._agent is AgentState.UNSEEN:
            return 0xFFFF
        return min(round((now - self._moved_at) * 1000), 0xFFFF)
