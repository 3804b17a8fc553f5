"""What the PLC's buttons and people ask of a machine's alarms, one order a cycle."""

import math
from collections import deque

from edge_agent.core.alarm import LONGEST_SHELF, Command, Order
from edge_agent.core.manifest import Manifest
from edge_agent.core.tags import Columns, Quality

MOST = 16
"""Orders that may wait for their cycle."""


class OrderRefused(ValueError):
    """Nobody can do that; the text says why."""


class Orders:
    """Orders in the order of their arrival."""

    def __init__(self, manifest: Manifest) -> None:
        self._alarming = [o.name for o in manifest.outputs if o.limits or o.warning]
        self._levels: dict[Command, float] = {}
        self._waiting: deque[Order] = deque()

    def put(self, order: Order) -> None:
        """Take an order for the next cycle that has none. Raises `OrderRefused`."""
        if order.output and order.output not in self._alarming:
            known = ", ".join(self._alarming) or "none"
            raise OrderRefused(f"there is no output {order.output!r} with an alarm; known: {known}")
        if order.shelf is not None and not 0 < order.shelf <= LONGEST_SHELF:
            raise OrderRefused(f"shelve for more than 0 and at most {LONGEST_SHELF / 3600:g} h, a shift")
        if len(self._waiting) >= MOST:
            raise OrderRefused(f"{MOST} orders wait already; is the machine's scan under way?")
        self._waiting.append(order)

    def next(self, buttons: list[tuple[Command, int]], image: Columns) -> Order | None:
        """Return this cycle's order. `buttons` are rows of the image.

        A button counts when it goes from 0 to something else; one that is not GOOD keeps its level.
        """
        for command, row in buttons:
            if image.quality[row] != Quality.GOOD:
                continue
            level, before = float(image.value[row]), self._levels.get(command, math.nan)
            self._levels[command] = level
            if level != 0 and before == 0 and len(self._waiting) < MOST:
                self._waiting.append(Order(command))
        return self._waiting.popleft() if self._waiting else None
