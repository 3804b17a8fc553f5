"""Tables of cycles: (seconds since the last, score, alarm after it)."""

import pytest

from edge_agent.core.alarm import Alarm
from edge_agent.core.manifest import Limits

S = 1_000_000_000
LIMITS = Limits(on=0.8, off=0.6, on_delay=2, off_delay=3)


@pytest.mark.parametrize(
    "cycles",
    [
        pytest.param([(0, 0.9, False), (1, 0.9, False), (1, 0.9, True)], id="on after the on-delay"),
        pytest.param(
            [(0, 0.9, False), (1, 0.7, False), (1, 0.9, False), (1, 0.9, False)], id="a dip restarts it"
        ),
        pytest.param([(0, 0.8, False), (2, 0.8, True)], id="the on-limit itself counts"),
        pytest.param(
            [(0, 0.9, False), (2, 0.9, True), (1, 0.7, True), (9, 0.6, True)], id="hysteresis holds it on"
        ),
        pytest.param(
            [(0, 0.9, False), (2, 0.9, True), (1, 0.5, True), (2, 0.5, True), (1, 0.5, False)],
            id="off after the off-delay",
        ),
    ],
)
def test_alarm_follows_its_limits_and_delays(cycles: list[tuple[float, float, bool]]) -> None:
    alarm, now = Alarm(LIMITS), 0
    for dt, score, expected in cycles:
        now += int(dt * S)
        before = alarm.active
        changed = alarm.step(score, now)
        assert (alarm.active, changed) == (expected, before != expected)


def test_a_missing_score_restarts_the_on_delay() -> None:
    alarm = Alarm(LIMITS)
    alarm.step(0.9, 0)
    alarm.miss()
    assert not alarm.step(0.9, 3 * S)
    assert alarm.step(0.9, 5 * S)


def test_a_missing_score_does_not_clear_an_alarm() -> None:
    alarm = Alarm(LIMITS)
    alarm.step(0.9, 0)
    alarm.step(0.9, 2 * S)
    alarm.miss()
    assert alarm.active


def test_no_delay_means_at_once() -> None:
    alarm = Alarm(Limits(on=0.5, off=0.5))
    assert alarm.step(0.5, 0)
    assert alarm.step(0.49, 1)
