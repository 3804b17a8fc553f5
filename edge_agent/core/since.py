"""Since when a machine is as it is."""

from edge_agent.core.alarm import AlarmState
from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict

_RAISED = (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED)
_UNSEEN = Reading(output="")


class Since:
    """Monotonic ns of the latest change, 0 before the first verdict. Feed it every verdict."""

    def __init__(self) -> None:
        self.state = 0
        """Of the state, its reason, or the input that is named."""
        self.alarms: dict[str, int] = {}
        """When the alarm of an output was raised or went away. What people do moves nothing."""
        self.warnings: dict[str, int] = {}

    def see(self, before: Verdict, after: Verdict, now: int) -> None:
        """Compare two verdicts that follow each other; the second was made at `now`."""
        if not self.state or (before.state, before.reason, before.culprit) != (
            after.state,
            after.reason,
            after.culprit,
        ):
            self.state = now
        if not after.changed and self.alarms:
            return
        was = {reading.output: reading for reading in before.readings}
        for reading in after.readings:
            name, earlier = reading.output, was.get(reading.output, _UNSEEN)
            if name not in self.alarms or _began(earlier.alarm_state, reading.alarm_state):
                self.alarms[name] = now
            if name not in self.warnings or _began(earlier.warning_state, reading.warning_state):
                self.warnings[name] = now


def _began(was: AlarmState, then: AlarmState) -> bool:
    if then is AlarmState.NORMAL:
        return was is not AlarmState.NORMAL
    return then in _RAISED and was not in (*_RAISED, AlarmState.SHELVED)
