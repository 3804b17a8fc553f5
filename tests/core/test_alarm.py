"""Tables of cycles: (seconds since the last, score or order, state after it)."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edge_agent.core.alarm import Alarm, AlarmState, Command, Handling, Order
from edge_agent.core.manifest import Limits

S = 1_000_000_000
LIMITS = Limits(on=0.8, off=0.6, on_delay=2, off_delay=3)
AT_ONCE = Limits(on=0.8, off=0.6)
A, B, C, D, E, F, G = AlarmState
ORDERS = ACK, RESET, SHELVE, UNSHELVE = [Order(command) for command in Command]
ASKS = Handling(wait=True)


@pytest.mark.parametrize(
    "cycles",
    [
        pytest.param([(0, 0.9, A), (1, 0.9, A), (1, 0.9, C)], id="on after the on-delay"),
        pytest.param([(0, 0.9, A), (1, 0.7, A), (1, 0.9, A), (1, 0.9, A)], id="a dip restarts it"),
        pytest.param([(0, 0.8, A), (2, 0.8, C)], id="the on-limit itself counts"),
        pytest.param([(0, 0.9, A), (2, 0.9, C), (1, 0.7, C), (9, 0.6, C)], id="hysteresis holds it on"),
        pytest.param(
            [(0, 0.9, A), (2, 0.9, C), (1, 0.5, C), (2, 0.5, C), (1, 0.5, A)], id="off after the off-delay"
        ),
        pytest.param([(0, 0.9, A), (1, None, A), (2, 0.9, A), (2, 0.9, C)], id="a miss restarts the delay"),
        pytest.param([(0, 0.9, A), (2, 0.9, C), (9, None, C)], id="a miss does not clear"),
    ],
)
def test_it_follows_its_limits_and_delays(cycles):
    follow(Alarm(LIMITS), cycles)


@pytest.mark.parametrize(
    ("handling", "cycles"),
    [
        pytest.param(ASKS, [(0, 0.9, B), (1, ACK, C), (1, 0.1, A)], id="acknowledged, then gone"),
        pytest.param(ASKS, [(0, 0.9, B), (1, 0.1, D), (1, ACK, A)], id="gone, then acknowledged"),
        pytest.param(ASKS, [(0, 0.9, B), (1, 0.1, D), (1, 0.9, B)], id="back before anybody looked"),
        pytest.param(
            Handling(wait=True, latch=True),
            [(0, 0.9, B), (1, 0.1, E), (1, RESET, E), (1, ACK, F), (1, RESET, A)],
            id="latched until acknowledged and reset",
        ),
        pytest.param(
            Handling(latch=True), [(0, 0.9, C), (1, RESET, C), (1, 0.1, F), (1, RESET, A)], id="latched"
        ),
        pytest.param(
            Handling(wait=True, realarm=60),
            [(0, 0.9, B), (1, ACK, C), (59, 0.9, C), (1, 0.9, B)],
            id="asks again",
        ),
        pytest.param(
            Handling(wait=True, shelf=600),
            [(0, 0.9, B), (1, SHELVE, G), (500, 0.9, G), (100, 0.9, B)],
            id="shelved for a time",
        ),
        pytest.param(
            Handling(shelf=600), [(0, SHELVE, G), (1, 0.9, G), (1, UNSHELVE, C)], id="raised on the shelf"
        ),
        pytest.param(
            Handling(),
            [(0, Order(Command.SHELVE, "", 60), G), (59, 0.1, G), (1, 0.1, A)],
            id="as long as the order says",
        ),
        pytest.param(Handling(shelf=1e9), [(0, SHELVE, G), (8 * 3600, 0.1, A)], id="not beyond a shift"),
        pytest.param(Handling(count=(2, 3)), [(0, 0.9, A), (1, 0.1, A), (1, 0.9, C)], id="two of three"),
        pytest.param(
            Handling(count=(2, 3)), [(0, 0.9, A), (1, 0.1, A), (1, 0.1, A), (1, 0.9, A)], id="one of three"
        ),
        pytest.param(
            Handling(count=(2, 3)), [(0, 0.9, A), (1, None, A), (1, 0.9, A)], id="a miss forgets the count"
        ),
    ],
)
def test_it_is_handled_as_isa_18_2_says(handling, cycles):
    follow(Alarm(AT_ONCE, handling), cycles)


def follow(alarm, cycles):
    now, score = 0, 0.0
    for dt, event, expected in cycles:
        now += int(dt * S)
        before = alarm.state
        if event is None:
            changed = alarm.miss(now)
        elif isinstance(event, Order):
            changed = alarm.step(score, now, event)
        else:
            score = event
            changed = alarm.step(score, now)
        assert (alarm.state, changed) == (expected, before is not expected)


def test_limits_on_what_must_not_fall():
    alarm = Alarm(Limits(on=10, off=15, when="below"))
    follow(alarm, [(0, 12.0, A), (1, 10.0, C), (1, 15.0, C), (1, 15.1, A)])


def test_what_is_shelved_is_not_shown_as_raised():
    alarm = Alarm(AT_ONCE)
    alarm.step(0.9, 0)
    assert alarm.active
    alarm.step(0.9, 1, SHELVE)
    assert not alarm.active


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.sampled_from([0.1, 0.7, 0.9, None]), st.sampled_from([None, *ORDERS])
        ),
        max_size=60,
    ),
    st.integers(1, 3).flatmap(lambda n: st.tuples(st.just(n), st.integers(n, 4))),
    st.booleans(),
    st.booleans(),
)
def test_no_alarm_without_its_on_delay_and_one_transition_a_cycle(cycles, count, wait, latch):
    handling = Handling(wait=wait, latch=latch, realarm=5, count=count, shelf=6)
    alarm, again = Alarm(LIMITS, handling), Alarm(LIMITS, handling)
    now, beyond_since, was_raised = 0, None, False
    for dt, score, order in cycles:
        now += dt * S
        before = alarm.state
        changed = alarm.miss(now, order) if score is None else alarm.step(score, now, order)
        assert changed == (alarm.state is not before)
        # Everything shifted by a day, as if the box had run for longer: nothing but differences may count.
        later = now + 86_400 * S
        _ = again.miss(later, order) if score is None else again.step(score, later, order)
        assert again.state is alarm.state
        if score is None or (score < 0.8 and count == (1, 1)):
            beyond_since = None
        elif beyond_since is None:
            beyond_since = now
        raised = alarm.state in (B, C)
        if raised and not was_raised and before not in (E, F, G):
            assert beyond_since is not None
            if count == (1, 1):
                assert order is not None or now - beyond_since >= 2 * S
        was_raised = raised
