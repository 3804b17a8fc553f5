"""Whose request goes next on a link that several units share. Pure: the time is an argument.

Fair by time, not by turns: the unit that has used the link least of late goes first, so that one that
answers in 39 ms waits for one request of a unit that takes a second, not for all of them. Units that keep
silent get a tenth of the time.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

SILENT_AFTER = 3
"""Requests in a row without an answer that make a unit silent."""
HALF_LIFE = 10.0
"""Seconds after which what a unit has used counts half."""
SHARE = 0.1
"""Part of the time that all silent units together may use while another unit answers."""


@dataclass(slots=True)
class _Unit(Generic[T]):
    waiting: deque[T] = field(default_factory=deque)
    urgent: int = 0  # how many of those that wait are, the first ones
    used: float = 0.0
    at: float = 0.0
    misses: int = 0
    held: float = 0.0

    @property
    def silent(self) -> bool:
        return self.misses >= SILENT_AFTER

    def load(self, now: float) -> float:
        """Return the seconds that it has used, forgotten by halves."""
        return self.used * math.exp2((self.at - now) / HALF_LIFE)


class Turns(Generic[T]):
    """Requests of units that wait for their turn."""

    def __init__(self) -> None:
        self._units: dict[int, _Unit[T]] = {}
        self._silent_from = 0.0
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def put(self, number: int, request: T, *, urgent: bool = False) -> None:
        """Queue a request of a unit; an urgent one before the others of that unit."""
        unit = self._units.get(number)
        if unit is None:
            unit = self._units[number] = _Unit()
        if urgent:
            unit.waiting.insert(unit.urgent, request)
            unit.urgent += 1
        else:
            unit.waiting.append(request)
        self._waiting += 1

    def free(self, number: int, now: float) -> bool:
        """Whether a request of this unit may go now without waiting for its turn."""
        unit = self._units.get(number)
        return not self._waiting and unit is not None and unit.held <= now and not unit.misses

    def take(self, now: float) -> T | None:
        """Return the next request that may go now."""
        unit = self._next(now)
        if unit is None:
            return None
        self._waiting -= 1
        unit.urgent = max(0, unit.urgent - 1)
        return unit.waiting.popleft()

    def when(self) -> float | None:
        """Return when to `take` again if it has just returned None; None if nothing waits."""
        times = [
            max(unit.held, self._silent_from) if unit.silent else unit.held
            for unit in self._units.values()
            if unit.waiting
        ]
        return min(times, default=None)

    def done(self, number: int, seconds: float, now: float, *, answered: bool) -> None:
        """Account for a request that took so long, and whether the unit answered it."""
        unit = self._units[number]
        unit.used, unit.at = unit.load(now) + seconds, now
        unit.misses = 0 if answered else unit.misses + 1
        if unit.silent and any(not other.silent for other in self._units.values()):
            self._silent_from = now + seconds * (1 - SHARE) / SHARE

    def hold(self, number: int, until: float) -> None:
        """Let nothing go to a unit before this time."""
        self._units[number].held = until

    def silent(self, number: int) -> bool:
        """Whether a unit keeps silent."""
        unit = self._units.get(number)
        return unit is not None and unit.silent

    def waiting(self) -> list[T]:
        """Return all that waits."""
        return [request for unit in self._units.values() for request in unit.waiting]

    def drop_all(self) -> list[T]:
        """Remove and return all that waits, and hold nobody any more."""
        dropped = self.waiting()
        for unit in self._units.values():
            unit.waiting.clear()
            unit.urgent = 0
            unit.held = 0.0
        self._waiting = 0
        return dropped

    def _next(self, now: float) -> _Unit[T] | None:
        due = [unit for unit in self._units.values() if unit.waiting and unit.held <= now]
        silent = [unit for unit in due if unit.silent] if self._silent_from <= now else []
        # A link that is always busy would never come to the share of the silent if they did not go first.
        candidates = silent or [unit for unit in due if not unit.silent]
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        return min(candidates, key=lambda unit: unit.load(now))
