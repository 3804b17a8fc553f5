"""The function block that `edge-agent map` writes, run from its exact source: what can happen to an agent."""

import math
import struct

import hypothesis
import numpy as np
import pytest
from frames import EMPTY, damaged, frame, with_words
from hypothesis import strategies as st
from st_machine import FunctionBlock

from edge_agent.core.resultblock import State
from edge_agent.mapping.interface import Refused


@pytest.fixture
def alive(block):
    """A function block that has taken result 1, with the agent's alarm raised."""
    block(EMPTY)
    said = block(frame(1, 1, alarm=1))
    assert (said["Alive"], said["Valid"], said["Lamp"], said["Refused"]) == (True, True, True, 0)
    return block


def test_before_the_first_heartbeat_the_plc_is_on_its_own(source, block):
    before = FunctionBlock(source).values
    assert (before["Fallback"], before["Valid"], before["Score"]) == (True, False, np.float32(-3e38))
    left_over = frame(7, 9, alarm=1)
    for _ in range(3):
        said = block(left_over, OwnAlarm=False)
        assert (said["Alive"], said["Fallback"], said["Lamp"]) == (False, True, False)
        assert said["Refused"] == Refused.HEARTBEAT


def test_a_killed_agent_is_noticed_after_the_timeout_and_once(alive):
    last = frame(1, 1, alarm=1)
    assert alive(last, 2000)["Valid"]
    said = alive(last, 1, OwnAlarm=False)
    assert (said["Alive"], said["Fallback"], said["Lamp"], said["Timeouts"]) == (False, True, False, 1)
    assert said["Score"] == np.float32(-3e38)
    assert alive(last, 60_000)["Timeouts"] == 1


def test_a_hung_agent_that_still_beats_lets_its_result_go_stale(alive):
    for beat in range(2, 22):
        assert alive(frame(beat, 1, alarm=1))["Valid"]
    said = alive(frame(22, 1, alarm=1))
    assert (said["Alive"], said["Valid"], said["Refused"]) == (True, False, Refused.STALE)
    assert alive(frame(23, 2))["Valid"]


@pytest.mark.parametrize(
    ("spoil", "refused"),
    [
        (lambda words: [*words[:18], words[18] ^ 1, words[19]], Refused.TORN),
        (lambda words: with_words(words, {18: words[18] + 1}), Refused.TORN),
        (damaged, Refused.CRC),
        (lambda words: damaged(words, 19), Refused.CRC),
        (lambda words: with_words(words, {0: 0xEA01}), Refused.LAYOUT),
        (lambda words: [0, words[1], *[0] * 18], Refused.LAYOUT),
    ],
)
def test_damaged_frames_change_nothing_and_run_out(alive, spoil, refused):
    for beat in range(2, 22):
        said = alive(spoil(frame(beat, beat, score=0.9)))
        assert (said["Valid"], said["Sequence"], said["Score"]) == (True, 1, np.float32(0.25))
        assert said["Refused"] == refused
    said = alive(spoil(frame(22, 22, score=0.9)))
    assert (said["Alive"], said["Valid"], said["Refused"]) == (True, False, refused)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"state": State.FALLBACK, "reason": 2, "score": math.nan}, Refused.STATE),
        ({"state": State.SHADOW}, Refused.STATE),
        ({"score": math.nan}, Refused.NOT_FINITE),
        ({"value": math.nan}, Refused.NOT_FINITE),
        ({"score": math.inf}, Refused.NOT_FINITE),
        ({"score": 1.0001}, Refused.LIMITS),
        ({"score": -0.0001}, Refused.LIMITS),
        ({"value": 2e30}, Refused.LIMITS),
    ],
)
def test_a_sound_frame_without_a_result_withdraws_the_last_one_at_once(alive, changes, refused):
    said = alive(frame(2, 2, alarm=1, **changes), OwnAlarm=False)
    assert (said["Alive"], said["Valid"], said["Lamp"], said["Refused"]) == (True, False, False, refused)
    assert (said["State"], said["Reason"]) == (changes.get("state", 4), changes.get("reason", 0))
    assert alive(frame(3, 1))["Refused"] == Refused.STALE
    assert alive(frame(4, 3))["Valid"]


def test_the_output_follows_in_steps_while_it_is_permitted_else_it_is_the_fallback(alive):
    bounds = {"MaxStep": 0.25, "FallbackValue": 0.5, "Permit": True}
    assert alive(frame(2, 2, score=1.0), **(bounds | {"Permit": False}))["Output"] == 0.5
    outputs = [alive(frame(n, n, score=1.0), **bounds)["Output"] for n in range(3, 7)]
    assert outputs == [0.75, 1.0, 1.0, 1.0]
    assert alive(frame(7, 7, score=0.0))["Output"] == 0.75
    dropped = alive(frame(8, 8, score=0.0), Permit=False)
    assert (dropped["Output"], dropped["Permissive"], dropped["Valid"]) == (0.5, False, True)
    assert alive(frame(9, 9, score=0.0), Permit=True)["Permissive"]
    assert alive(frame(10, 10, state=State.FALLBACK))["Output"] == 0.5
    gone = alive(frame(10, 10), 2100)
    assert (gone["Output"], gone["Permissive"]) == (0.5, False)


def test_a_denied_permissive_leaves_the_alarm_as_advice(alive):
    assert alive(frame(2, 2, alarm=1, state=State.READY), OwnAlarm=False)["Lamp"]


def test_an_alarm_waits_for_an_acknowledgement_that_comes_after_it(alive):
    assert alive(frame(2, 2, alarm=1), Ack=True)["Unacknowledged"] is False
    assert alive(frame(3, 3), Ack=True)["Lamp"] is False
    assert alive(frame(4, 4), Ack=False)["Unacknowledged"] is False
    assert alive(frame(5, 5, alarm=3), Ack=True)["Unacknowledged"], "nobody has seen it yet"
    said = alive(frame(6, 6), Ack=True)
    assert (said["Lamp"], said["Unacknowledged"]) == (False, True), "a button that is held down is no answer"
    alive(frame(7, 7), Ack=False)
    assert alive(frame(8, 8), Ack=True)["Unacknowledged"] is False


def test_the_plcs_own_alarm_asks_for_an_acknowledgement_too(block):
    assert block(EMPTY, OwnAlarm=True)["Unacknowledged"]
    assert block(EMPTY, Ack=True)["Unacknowledged"] is False


def test_the_agents_warning_counts_with_its_result_only(alive):
    assert alive(frame(2, 2, alarm=2))["Warning"]
    assert alive(frame(3, 3, alarm=2, state=State.FAULT))["Warning"] is False


@pytest.fixture(scope="module")
def reader(source):
    """Reads a REAL out of two words."""
    instance = FunctionBlock(source)
    beats = iter(range(1, 1 << 16))

    def read(words):
        n = next(beats)
        block = with_words(frame(n, n), {6: 0, 7: 0, 8: words[0], 9: words[1]})
        said = instance(Block=block, Cycle=10, ValueLow=-3.4e38, ValueHigh=3.4e38, Permit=False)
        return said["Numbers"][1], said["Finite"][1]

    return read


@hypothesis.given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
@hypothesis.settings(max_examples=200)
@hypothesis.example(0x0080, 0)
@hypothesis.example(0x7F7F, 0xFFFF)
@hypothesis.example(0x8000, 0)
@hypothesis.example(0x7FC0, 0)
@hypothesis.example(0xFF80, 0)
def test_two_words_become_the_number_of_ieee_754_to_the_bit(reader, high, low):
    (meant,) = struct.unpack(">f", struct.pack(">2H", high, low))
    said, finite = reader([high, low])
    assert finite == math.isfinite(meant)
    if finite:
        assert said == (meant if abs(meant) >= 2.0**-126 else 0)
