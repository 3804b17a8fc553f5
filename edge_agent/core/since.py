"""Since when a machine is as it is."""

from edge_agent.core.pipeline import Verdict


class Since:
    """Monotonic ns of the latest change, 0 before the first verdict. Feed it every verdict."""

    def __init__(self) -> None:
        self.state = 0
        """Of the state, its reason, or the input that is named."""
        self.alarms: dict[str, int] = {}
        """Of the alarm or the warning of an output, by output."""

    def see(self, before: Verdict, after: Verdict, now: int) -> None:
        """Compare two verdicts that follow each other; the second was made at `now`."""
        if not self.state or (before.state, before.reason, before.culprit) != (
            after.state,
            after.reason,
            after.culprit,
        ):
            self.state = now
        if after.changed or not self.alarms:
            for reading in after.readings:
                if reading.changed or reading.output not in self.alarms:
                    self.alarms[reading.output] = now
