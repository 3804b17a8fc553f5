"""Score to condition: beyond a limit for long enough, with hysteresis, delays and n of m scores."""

from collections import deque

from edge_agent.core.manifest import Limits

_NS = 1_000_000_000


class Condition:
    """Active once the score was beyond `on` for `on_delay`, until it was back past `off` for `off_delay`.

    Beyond is at or above `on`, or at or below it for limits on what must not fall. With `count` = (n, m) a
    score counts as beyond when n of the last m valid ones were.
    """

    def __init__(self, limits: Limits, count: tuple[int, int] = (1, 1)) -> None:
        self._limits, self._needed = limits, count[0]
        self._below = limits.when == "below"
        self._recent: deque[bool] = deque(maxlen=count[1])
        self.active = False
        self._since: int | None = None

    def step(self, score: float, now: int) -> None:
        """Take one valid score at `now` (monotonic ns)."""
        limits = self._limits
        self._recent.append(score <= limits.on if self._below else score >= limits.on)
        if self.active:
            leaving, delay = (score > limits.off if self._below else score < limits.off), limits.off_delay
        else:
            leaving, delay = sum(self._recent) >= self._needed, limits.on_delay
        if not leaving:
            self._since = None
            return
        if self._since is None:
            self._since = now
        if now - self._since >= delay * _NS:
            self.active, self._since = not self.active, None

    def miss(self) -> None:
        """There is no valid score now: delay and count start again, the condition stays."""
        self._since = None
        self._recent.clear()
