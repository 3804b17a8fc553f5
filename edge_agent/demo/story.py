"""What was seen during the demo, and whether it was right."""

import msgspec

from edge_agent.demo.panel import Look
from edge_agent.status import Status


class Story(msgspec.Struct, kw_only=True):
    """What was seen so far. Times are seconds since the panel came on."""

    seconds: int
    fault_due: float
    now: float = 0.0
    fault_at: float | None = None
    alarm_at: float | None = None
    lamp_at: float | None = None
    false_alarms: int = 0
    results: int = 0
    last: Look | None = None
    status: Status | None = None

    def see(self, look: Look) -> None:
        """Take one look at the PLC."""
        before = self.last.result if self.last else None
        result = look.result
        if result and result.decides and (before is None or before.sequence != result.sequence):
            self.results += 1
        if result and result.decides and result.alarm:
            if self.fault_at is None:
                self.false_alarms += 1
            elif self.alarm_at is None:
                self.alarm_at = self.now
        if look.lamp and self.fault_at is not None and self.lamp_at is None:
            self.lamp_at = self.now
        self.last = look

    @property
    def told_right(self) -> bool:
        """Whether the alarm came after the fault and never before it."""
        return self.alarm_at is not None and self.false_alarms == 0
