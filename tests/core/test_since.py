"""Since when: moves with the state, its reason and the input named; each alarm has its own time."""

from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.since import Since
from edge_agent.core.tags import Reason


def verdict(state: State, reason: Reason = Reason.NONE, culprit: str = "", changed: str = "") -> Verdict:
    readings = tuple(Reading(output=name, changed=name == changed) for name in ("wear", "leak"))
    return Verdict(state=state, reason=reason, culprit=culprit, changed=bool(changed), readings=readings)


def test_time_moves_only_with_a_change() -> None:
    since = Since()
    good = verdict(State.ADVISORY)
    bad = verdict(State.FALLBACK, Reason.NO_LINK, "flow")
    other = verdict(State.FALLBACK, Reason.NO_LINK, "speed")
    seen = []
    cycles = [good, good, bad, bad, other, good, verdict(State.ADVISORY, changed="leak"), good]
    for now, (before, after) in enumerate(zip([good, *cycles], cycles, strict=False), start=1):
        since.see(before, after, now)
        seen.append((since.state, since.alarms["wear"], since.alarms["leak"]))
    assert seen == [(1, 1, 1)] * 2 + [(3, 1, 1)] * 2 + [(5, 1, 1), (6, 1, 1), (6, 1, 7), (6, 1, 7)]
