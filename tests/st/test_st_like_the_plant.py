"""The function block and the simulated plant's own program decide the same, whatever stands in the block."""

import hypothesis
from frames import damaged, frame, with_words
from hypothesis import strategies as st
from st_machine import FunctionBlock

from edge_agent.core.resultblock import State
from edge_agent.plant.plc import VIBRATION_LIMIT, AgentState, Program

FOR_EVER = 1_000_000_000
"""ms: the plant lets a result stand as long as sound frames do."""

PAUSES = st.sampled_from([70, 70, 70, 700, 1400, 2100])
"""ms from cycle to cycle; no sum of them is the timeout, where rounding would decide."""
RESULT = st.tuples(
    st.sampled_from([State.ADVISORY, State.ACTIVE, State.READY, State.FALLBACK, State.OFF]),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.25, 1.0, float("nan")]),
)
SPOILED = st.sampled_from(
    [
        lambda words: words,
        lambda words: words,
        damaged,
        lambda words: with_words(words, {0: 0xEA01}),
        lambda words: with_words(words, {18: words[18] ^ 1}),
        lambda words: [*words[:10], *[0] * 10],
    ]
)
CYCLES = st.lists(
    st.tuples(PAUSES, st.sampled_from(["fresh", "fresh", "beat", "frozen"]), RESULT, SPOILED, st.booleans()),
    min_size=2,
    max_size=30,
)


@hypothesis.given(CYCLES, st.integers(0, 0xFFFF))
@hypothesis.settings(max_examples=100, suppress_health_check=[hypothesis.HealthCheck.too_slow])
def test_alive_lamp_sequence_and_fallbacks_are_the_plants(source, cycles, start):
    block, program = FunctionBlock(source), Program()
    now, beat, sequence, words = 0, start, start, [0] * 20
    for pause, agent, (state, alarm, score), spoil, shaking in cycles:
        now += pause
        if agent != "frozen":
            beat = (beat + 1) & 0xFFFF
            sequence = (sequence + (agent == "fresh")) & 0xFFFF
            words = spoil(frame(beat, sequence, state=state, alarm=alarm, score=score, value=0.0))
        vibration = VIBRATION_LIMIT + (1 if shaking else -1)
        plant = program.step(now / 1000, words, vibration)
        ours = block(Block=words, Cycle=pause, OwnAlarm=shaking, ResultTimeout=FOR_EVER)
        assert ours["Alive"] == (plant.agent_state is AgentState.ALIVE)
        assert ours["Timeouts"] == plant.fallbacks
        assert (ours["Lamp"], ours["Sequence"]) == (plant.lamp, plant.sequence)
        if ours["Timeouts"] and not ours["Alive"]:
            assert plant.agent_state is AgentState.FALLBACK
