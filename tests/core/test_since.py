"""Since when: moves with the state, its reason and the input named; an alarm's time is when it was raised."""

from edge_agent.core.alarm import AlarmState
from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.since import Since
from edge_agent.core.tags import Reason

NORMAL, RETURNED, SHELVED = AlarmState.NORMAL, AlarmState.RETURNED, AlarmState.SHELVED
UNACKNOWLEDGED, ACKNOWLEDGED = AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED


def verdict(state: State, reason: Reason = Reason.NONE, culprit: str = "") -> Verdict:
    return Verdict(state=state, reason=reason, culprit=culprit)


def test_time_moves_only_with_a_change_of_state_reason_or_culprit() -> None:
    since = Since()
    good = verdict(State.ADVISORY)
    bad = verdict(State.FALLBACK, Reason.NO_LINK, "flow")
    other = verdict(State.FALLBACK, Reason.NO_LINK, "speed")
    seen, before = [], good
    for now, after in enumerate([good, good, bad, bad, other, good], start=1):
        since.see(before, after, now)
        seen.append(since.state)
        before = after
    assert seen == [1, 1, 3, 3, 5, 6]


def alarmed(wear: AlarmState, before: AlarmState) -> Verdict:
    readings = (
        Reading(output="wear", alarm_state=wear, changed=wear is not before),
        Reading(output="leak"),
    )
    return Verdict(state=State.ADVISORY, reason=Reason.NONE, changed=wear is not before, readings=readings)


def test_an_alarm_is_as_old_as_its_raise_whatever_people_do_about_it() -> None:
    since, seen, was = Since(), [], NORMAL
    before = alarmed(NORMAL, NORMAL)
    states = [
        NORMAL, NORMAL, UNACKNOWLEDGED, UNACKNOWLEDGED, ACKNOWLEDGED, SHELVED, ACKNOWLEDGED, NORMAL,
        UNACKNOWLEDGED, RETURNED, UNACKNOWLEDGED, RETURNED, NORMAL,
    ]  # fmt: skip
    for now, state in enumerate(states, start=1):
        after = alarmed(state, was)
        since.see(before, after, now)
        seen.append(since.alarms["wear"])
        assert since.alarms["leak"] == 1
        before, was = after, state
    assert seen == [1, 1, 3, 3, 3, 3, 3, 8, 9, 9, 11, 11, 13]


def test_an_escalated_warning_keeps_its_own_time() -> None:
    since = Since()
    steps = [
        (NORMAL, NORMAL),
        (NORMAL, UNACKNOWLEDGED),
        (UNACKNOWLEDGED, UNACKNOWLEDGED),
        (NORMAL, ACKNOWLEDGED),
    ]
    before = verdict(State.ADVISORY)
    seen = []
    for now, (alarm, warning) in enumerate(steps, start=1):
        reading = Reading(output="wear", alarm_state=alarm, warning_state=warning, changed=True)
        after = Verdict(state=State.ADVISORY, reason=Reason.NONE, changed=True, readings=(reading,))
        since.see(before, after, now)
        seen.append((since.alarms["wear"], since.warnings["wear"]))
        before = after
    assert seen == [(1, 1), (1, 2), (3, 2), (4, 2)]
