"""What a declared output is told to write, and what never."""

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edge_agent.core.writeback import Held, Output, Rule

S = 1_000_000_000


def armed(at=50.0, **rule):
    output = Output(Rule(**{"low": 0, "high": 100, **rule}))
    output.arm(at)
    return output


@pytest.mark.parametrize("wish", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_refused_before_anything_is_cast(wish):
    assert armed().follow(wish, 0) is Held.NOT_FINITE


def test_it_follows_nothing_before_the_plcs_value_is_known():
    output = Output(Rule(low=0, high=100))
    assert output.follow(7, 0) is Held.NOT_ARMED
    output.arm(5.0)
    assert output.follow(7, 0) == 7
    output.disarm()
    assert output.follow(7, 0) is Held.NOT_ARMED


@pytest.mark.parametrize(
    ("at", "rule", "wish", "expected"),
    [
        (50, {}, 300, 100),
        (50, {}, -1, 0),
        (50, {"step": 10}, 90, 60),
        (50, {"step": 10}, 0, 40),
        (50, {"deadband": 2}, 51.9, Held.DEADBAND),
        (50, {"deadband": 2}, 52, 52),
        (50, {}, 50, Held.DEADBAND),
        (400, {"step": 10}, 90, 100),  # left outside by somebody else: brought inside at once
    ],
)
def test_limits_step_and_deadband(at, rule, wish, expected):
    assert armed(at, **rule).follow(wish, 0) == expected


def test_interval_and_budget():
    output = armed(interval=5, per_hour=2)
    output.written(60, 0)
    assert output.follow(70, 4 * S) is Held.INTERVAL
    assert output.follow(70, 5 * S) == 70
    output.written(70, 5 * S)
    assert output.follow(80, 100 * S) is Held.BUDGET
    assert output.follow(80, 3600 * S) == 80


def test_the_fallback_goes_past_step_interval_and_deadband_but_not_past_the_budget():
    output = armed(step=1, interval=60, deadband=50, per_hour=2, fallback=10)
    output.written(50, 0)
    assert output.fall_back(1) == 10
    output.written(10, 1)
    assert output.fall_back(2) is Held.DEADBAND
    output.arm(20)
    assert output.fall_back(3) is Held.BUDGET
    assert armed().fall_back(0) is Held.DEADBAND


def test_a_write_of_unknown_effect_disarms():
    output = armed()
    output.written(math.nan, 0)
    assert not output.armed


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2000),
            st.one_of(st.floats(), st.just(math.nan)),
            st.sampled_from(["follow", "fall back", "disarm", "arm"]),
        ),
        max_size=80,
    ),
    st.floats(0.1, 50),
    st.floats(0, 5),
    st.integers(1, 10),
)
def test_whatever_is_wished_the_bounds_hold(events, step, interval, per_hour):
    rule = Rule(low=-10, high=40, step=step, interval=interval, per_hour=per_hour, fallback=3)
    output, now, sent = Output(rule), 0, []
    output.arm(0.0)
    for dt, wish, what in events:
        now += dt * S
        if what == "disarm":
            output.disarm()
        elif what == "arm":
            output.arm(min(max(wish, -10), 40) if math.isfinite(wish) else 0.0)
        before = output.value
        value = output.fall_back(now) if what == "fall back" else output.follow(wish, now)
        if isinstance(value, Held):
            continue
        assert -10 <= value <= 40
        if what != "fall back":
            assert math.isfinite(before)
            assert abs(value - before) <= step * (1 + 1e-12)
            assert not sent or now - sent[-1] >= interval * S
        output.written(value, now)
        sent.append(now)
        assert sum(now - at < 3600 * S for at in sent) <= per_hour
