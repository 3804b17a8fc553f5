"""The PLC program as tables of cycles: time goes in, decisions come out."""

import math
import struct

import pytest

from edge_agent.core import resultblock
from edge_agent.plant.plc import AgentState, Program, crc, read_result

UNSEEN, ALIVE, FALLBACK = AgentState.UNSEEN, AgentState.ALIVE, AgentState.FALLBACK
EMPTY = [0] * 20


def run(cycles, vibration=2.0, timeout=2.0):
    """Run (time, block, agent state, lamp, accepted sequence) rows through one program."""
    program = Program(timeout)
    for now, block, state, lamp, sequence in cycles:
        decision = program.step(now, block, vibration)
        assert (decision.agent_state, decision.lamp, decision.sequence) == (state, lamp, sequence), (
            f"at {now} s"
        )
    return decision


def test_an_agent_is_seen_when_its_heartbeat_moves_and_its_alarm_lights_the_lamp(frame):
    run(
        [
            (0.0, EMPTY, UNSEEN, False, 0),
            (0.1, frame(1, 1, alarm=0), ALIVE, False, 1),
            (0.2, frame(2, 2, alarm=1), ALIVE, True, 2),
            (0.3, frame(3, 2, alarm=1), ALIVE, True, 2),
            (0.4, frame(4, 3, alarm=0), ALIVE, False, 3),
        ]
    )


def test_a_frame_left_over_from_before_the_plc_started_is_not_believed(frame):
    old = frame(7, 9, alarm=1)
    decision = run([(0.0, old, UNSEEN, False, 0), (60.0, old, UNSEEN, False, 0)])
    assert decision.heartbeat_age == 0xFFFF
    assert decision.fallbacks == 0


def test_a_stopped_heartbeat_falls_back_once_and_drops_the_agents_alarm(frame):
    last = frame(1, 1, alarm=1)
    decision = run(
        [
            (0.0, EMPTY, UNSEEN, False, 0),
            (1.0, last, ALIVE, True, 1),
            (3.0, last, ALIVE, True, 1),
            (3.1, last, FALLBACK, False, 1),
            (9.0, last, FALLBACK, False, 1),
        ]
    )
    assert decision.fallbacks == 1
    assert decision.heartbeat_age == 8000


def test_a_returning_heartbeat_is_alive_again_but_its_old_sequence_decides_nothing(frame):
    decision = run(
        [
            (0.0, EMPTY, UNSEEN, False, 0),
            (0.1, frame(1, 8, alarm=1), ALIVE, True, 8),
            (5.0, frame(1, 8, alarm=1), FALLBACK, False, 8),
            (5.1, frame(2, 8, alarm=1), ALIVE, False, 8),
            (5.2, frame(3, 9, alarm=1), ALIVE, True, 9),
            (9.0, frame(3, 9, alarm=1), FALLBACK, False, 9),
        ]
    )
    assert decision.fallbacks == 2


def test_heartbeat_and_sequence_wrap_around(frame):
    run(
        [
            (0.0, frame(65534, 65534), UNSEEN, False, 0),
            (0.1, frame(65535, 65535, alarm=1), ALIVE, True, 65535),
            (0.2, frame(0, 0, alarm=0), ALIVE, False, 0),
        ]
    )


@pytest.mark.parametrize(
    "damage",
    [
        {"layout": 0xEA01},
        {"again": 1},
        {"crc": 0x1234},
        {"state": 3},
        {"state": 6},
        {"score": math.nan},
    ],
    ids=["wrong layout", "torn frame", "bad CRC", "shadow state", "fallback state", "score is no number"],
)
def test_a_result_that_does_not_prove_itself_is_not_accepted(frame, damage):
    run(
        [
            (0.0, EMPTY, UNSEEN, False, 0),
            (0.1, frame(1, 2, alarm=1, **damage), ALIVE, False, 0),
            (0.2, frame(2, 3, alarm=1), ALIVE, True, 3),
        ]
    )


def test_a_stale_sequence_does_not_change_the_decision(frame):
    run(
        [
            (0.0, EMPTY, UNSEEN, False, 0),
            (0.1, frame(1, 5, alarm=0), ALIVE, False, 5),
            (0.2, frame(2, 5, alarm=1), ALIVE, False, 5),
            (0.3, frame(3, 6, alarm=1), ALIVE, True, 6),
        ]
    )


def test_damaged_frames_leave_the_last_decision_only_until_the_timeout(frame):
    run(
        [
            (0.0, EMPTY, UNSEEN, False, 0),
            (0.1, frame(1, 1, alarm=1), ALIVE, True, 1),
            (1.0, frame(2, 2, crc=1), ALIVE, True, 1),
            (2.0, frame(3, 3, crc=1), ALIVE, True, 1),
            (2.2, frame(4, 4, crc=1), ALIVE, False, 1),
            (2.3, frame(5, 5, alarm=1), ALIVE, True, 5),
        ]
    )


def test_an_agent_that_says_it_cannot_decide_withdraws_its_alarm_at_once(frame):
    run(
        [
            (0.0, EMPTY, UNSEEN, False, 0),
            (0.1, frame(1, 1, alarm=1), ALIVE, True, 1),
            (0.2, frame(2, 1, alarm=1, state=6), ALIVE, False, 1),
        ]
    )


def test_without_an_agent_the_lamp_follows_the_plcs_own_vibration_limit(frame):
    run([(0.0, EMPTY, UNSEEN, False, 0)], vibration=11.0)
    run([(0.0, EMPTY, UNSEEN, True, 0)], vibration=11.1)
    run(
        [
            (0.0, EMPTY, UNSEEN, True, 0),
            (0.1, frame(1, 1, alarm=0), ALIVE, False, 1),
            (2.2, frame(1, 1, alarm=0), FALLBACK, True, 1),
        ],
        vibration=12.0,
    )


def test_the_timeout_is_what_it_is_set_to(frame):
    still = frame(1, 1)
    run(
        [(0.0, EMPTY, UNSEEN, False, 0), (0.1, still, ALIVE, False, 1), (0.7, still, FALLBACK, False, 1)],
        timeout=0.5,
    )


def test_the_plcs_own_heartbeat_counts_cycles_and_wraps():
    program = Program()
    beats = [program.step(i / 10, EMPTY, 0.0).heartbeat for i in range(65537)]
    assert beats[:2] == [1, 2]
    assert beats[-3:] == [65535, 0, 1]


def test_a_heartbeat_age_beyond_a_word_saturates(frame):
    program = Program()
    program.step(0.0, EMPTY, 0.0)
    program.step(1.0, frame(1), 0.0)
    assert program.step(66.5, frame(1), 0.0).heartbeat_age == 65500
    assert program.step(1e6, frame(1), 0.0).heartbeat_age == 0xFFFF


def test_every_single_flipped_bit_of_a_frame_is_noticed(frame):
    sound = frame(77, 1234, alarm=1)
    assert read_result(sound) is not None
    for word in range(20):
        for bit in range(16):
            damaged = list(sound)
            damaged[word] ^= 1 << bit
            assert read_result(damaged) is None, f"word {word}, bit {bit}"


def test_the_crc_is_that_of_a_published_modbus_frame():
    assert crc([0x0103, 0x0000, 0x000A]) == 0xCDC5  # 01 03 00 00 00 0A C5 CD: read ten holding registers


def test_the_program_reads_what_the_agent_encodes():
    block = resultblock.ResultBlock(
        heartbeat=4,
        sequence=70000,
        state=resultblock.State.ADVISORY,
        reason=0,
        alarm=1,
        score=0.75,
        value=3.0,
        denied=1,
        input_age_ms=90,
        input_quality=2,
        bundle=0xDEADBEEF,
    )
    exact = [
        value if kind == "float32" else int(value)
        for value, (_, kind, _) in zip(resultblock.values(block), resultblock.FIELDS, strict=True)
    ]
    result = read_result(struct.unpack(">20H", struct.pack(">HHHHHHffHHHHHHIHH", *exact)))
    assert result is not None
    assert (result.sequence, result.state, result.alarm, result.score) == (70000 & 0xFFFF, 4, True, 0.75)
    assert result.decides
