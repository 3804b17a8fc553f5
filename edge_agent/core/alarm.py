"""Condition to alarm: raised, acknowledged, latched, shelved, as ISA-18.2 and OPC UA Part 9 name it."""

from enum import Enum, IntEnum

import msgspec

from edge_agent.core.condition import Condition
from edge_agent.core.manifest import Limits

_NS = 1_000_000_000
LONGEST_SHELF = 8 * 3600.0
"""Seconds: nobody shelves an alarm for longer than a shift."""


class AlarmState(IntEnum):
    """ANSI/ISA-18.2-2016, figure 3: states A to G. The PLC may read this number: never renumber."""

    NORMAL = 0
    UNACKNOWLEDGED = 1
    ACKNOWLEDGED = 2
    RETURNED = 3  # the condition is gone, nobody has acknowledged it yet
    LATCHED_UNACKNOWLEDGED = 4  # gone, and held until it is acknowledged and reset
    LATCHED_ACKNOWLEDGED = 5
    SHELVED = 6


class Command(Enum):
    """What a person or the PLC asks of an alarm."""

    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"


class Order(msgspec.Struct, frozen=True):
    """What is asked of the alarm and the warning of one output, with "" of all outputs of a machine.

    `shelf` is for how many seconds to shelve them, None for as long as their handling says.
    """

    command: Command
    output: str = ""
    shelf: float | None = None


class Handling(msgspec.Struct, frozen=True, kw_only=True):
    """How an alarm is handled beside its limits.

    `wait`: it waits for an acknowledgement. `latch`: it stays raised until it is reset. `realarm`: seconds
    after which an acknowledged one that is still active asks again, 0 for never. `count`: n of m scores.
    `shelf`: seconds that a shelved one stays so.
    """

    wait: bool = False
    latch: bool = False
    realarm: float = 0.0
    count: tuple[int, int] = (1, 1)
    shelf: float = 3600.0


SIMPLE = Handling()


class Alarm:
    """One alarm of one score. At most one transition in a step, and time is only ever monotonic."""

    def __init__(self, limits: Limits, handling: Handling = SIMPLE) -> None:
        self._condition = Condition(limits, handling.count)
        self._handling = handling
        self._active = self._latched = False
        self._acked = True
        self._acked_at = 0
        self._shelved_until: int | None = None

    @property
    def state(self) -> AlarmState:
        """Where it stands."""
        if self._shelved_until is not None:
            return AlarmState.SHELVED
        if self._active:
            return AlarmState.ACKNOWLEDGED if self._acked else AlarmState.UNACKNOWLEDGED
        if self._latched:
            return AlarmState.LATCHED_ACKNOWLEDGED if self._acked else AlarmState.LATCHED_UNACKNOWLEDGED
        return AlarmState.NORMAL if self._acked else AlarmState.RETURNED

    @property
    def shelved_until(self) -> int:
        """When it comes back by itself (monotonic ns), 0 if it is not shelved."""
        return self._shelved_until or 0

    @property
    def active(self) -> bool:
        """Whether it is shown as raised: its condition is there or latched, and it is not shelved."""
        return (self._active or self._latched) and self._shelved_until is None

    def step(self, score: float, now: int, order: Order | None = None) -> bool:
        """Take one valid score at `now` (monotonic ns). Return True if the state changed."""
        self._condition.step(score, now)
        return self._transit(now, order)

    def miss(self, now: int, order: Order | None = None) -> bool:
        """There is no valid score now: a delay that was running starts again, the condition stays."""
        self._condition.miss()
        return self._transit(now, order)

    def _transit(self, now: int, order: Order | None) -> bool:
        before = self.state
        if order is not None and self._obey(order, now):
            pass
        elif self._shelved_until is not None and now >= self._shelved_until:
            self._shelved_until = None
        elif self._condition.active != self._active:
            self._active = self._condition.active
            if self._active:
                self._latched, self._acked = self._handling.latch, not self._handling.wait
                self._acked_at = now
        elif self._asks_again(now):
            self._acked = False
        return self.state is not before

    def _obey(self, order: Order, now: int) -> bool:
        """Do as asked; return False where there is nothing to do."""
        before, command = self.state, order.command
        if command is Command.ACKNOWLEDGE:
            self._acked, self._acked_at = True, now
        elif command is Command.RESET:
            # What is still there, or was never seen by anybody, is not reset away.
            self._latched = self._latched and (self._active or not self._acked)
        elif command is Command.SHELVE:
            shelf = self._handling.shelf if order.shelf is None else order.shelf
            self._shelved_until = now + int(min(shelf, LONGEST_SHELF) * _NS)
        else:
            self._shelved_until = None
        return self.state is not before

    def _asks_again(self, now: int) -> bool:
        every = self._handling.realarm
        return self._active and self._acked and every > 0 and now - self._acked_at >= every * _NS
