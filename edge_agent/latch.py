"""Writing latched off, because something else writes there, too: until somebody re-arms it."""

from edge_agent.device import Written

MISMATCHES = 2
"""Read-backs in a row that differ before writing is latched off."""


class Latch:
    """Of one result block or one declared output. Once `closed`, nothing is to be written until `rearm`."""

    def __init__(self) -> None:
        self.closed = False
        self._mismatches = 0

    def see(self, outcome: Written) -> bool:
        """Count what became of a write. Return whether this one latches writing off."""
        self._mismatches = self._mismatches + 1 if outcome is Written.MISMATCH else 0
        closes = self._mismatches >= MISMATCHES
        self.closed = self.closed or closes
        return closes

    def rearm(self) -> None:
        """Write again. As many read-backs in a row that differ latch writing off again."""
        self.closed, self._mismatches = False, 0
