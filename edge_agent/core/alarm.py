"""Score to alarm, with hysteresis, on-delay and off-delay (ISA-18.2; OPC UA Part 9, 5.8)."""

from edge_agent.core.manifest import Limits

_NS = 1_000_000_000


class Alarm:
    """Active once the score was at or above `on` for `on_delay`, until it was below `off` for `off_delay`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.active = False
        self._since: int | None = None

    def step(self, score: float, now: int) -> bool:
        """Take one valid score at `now` (monotonic ns). Return True if the alarm changed state."""
        limits = self._limits
        leaving = score < limits.off if self.active else score >= limits.on
        delay = limits.off_delay if self.active else limits.on_delay
        if not leaving:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        if now - self._since < delay * _NS:
            return False
        self.active, self._since = not self.active, None
        return True

    def miss(self) -> None:
        """There is no valid score now: a delay that was running starts again, the state stays."""
        self._since = None
