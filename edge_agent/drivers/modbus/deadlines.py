"""The deadlines of all requests under way: one timer for all of them, set to the first.

Nearly every request is answered, so the timer is left to run when one is: it looks at what is still open when
it fires. A timer for each request would cost more than sending it.

What is `due` at infinity waits for nothing now; who moves it nearer calls `wake` if that is before `fires`.
"""

import asyncio
import math
from typing import Protocol

EARLY = 1e-6
"""Seconds that a timer may fire before its time."""


class Pending(Protocol):
    """A request that has a deadline: `due` in seconds of the event loop's clock."""

    due: float

    def late(self) -> None:
        """Learn that it has passed."""
        ...


class Deadlines:
    """Used within one event loop."""

    def __init__(self) -> None:
        self._pending: dict[Pending, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.fires = math.inf
        """When the timer is set to, infinity if it is not."""

    def add(self, pending: Pending) -> None:
        """Call `late` when it is due, unless it is removed before."""
        self._pending[pending] = None
        if pending.due < self.fires:
            self.wake(pending.due)

    def remove(self, pending: Pending) -> None:
        """Forget one that was answered or given up; one that is not known is fine."""
        self._pending.pop(pending, None)

    def wake(self, due: float) -> None:
        """Look at what is open at this time, and not before."""
        if self._timer is not None:
            self._timer.cancel()
        self.fires, self._timer = due, asyncio.get_running_loop().call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer, self.fires = None, math.inf
        now = asyncio.get_running_loop().time() + EARLY
        for pending in [p for p in self._pending if p.due <= now]:
            # The end of one may have been the end of others.
            if pending in self._pending:
                del self._pending[pending]
                pending.late()
        first = min((p.due for p in self._pending), default=math.inf)
        if first < self.fires:
            self.wake(first)
