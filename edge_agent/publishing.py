"""A machine's result block: written as one frame and read back, until somebody else writes there, too."""

import logging
from collections.abc import Callable

from edge_agent.config import schema
from edge_agent.core import resultblock
from edge_agent.core.resultblock import ResultBlock
from edge_agent.core.selection import Selection
from edge_agent.device import Outputs, Written
from edge_agent.historian import Historian
from edge_agent.latch import Latch

log = logging.getLogger(__name__)


class Publisher:
    """Writes the result block of one machine. `written_at` is monotonic, in ns."""

    def __init__(self, machine: str, result: schema.Result | None, historian: Historian) -> None:
        self._machine, self._historian = machine, historian
        self._select = Selection(result.chosen) if result and result.chosen else None
        self.latch = Latch()
        self._healthy = True
        self.outputs: Outputs | None = None
        self.heartbeat = self.written_at = 0
        self.written: dict[Written, int] = dict.fromkeys(Written, 0)
        self.last: Written | None = None

    async def publish(self, block: Callable[[int], ResultBlock], now: int) -> None:
        """Write what `block` makes of the next heartbeat, and read it back; nothing without outputs."""
        if self.outputs is None:
            return
        self.heartbeat = (self.heartbeat + 1) & 0xFFFF
        self.written_at = now
        values = resultblock.values(block(self.heartbeat))
        chosen = self._select(values) if self._select else values
        outcome, detail = await self.outputs.device.write(self.outputs, chosen)
        self.written[outcome] += 1
        self.last = outcome
        self._judge(outcome, detail)

    def _judge(self, outcome: Written, detail: str) -> None:
        if self.latch.see(outcome):
            log.error(
                "machine %s: writing is off until it is re-armed, another writer: %s", self._machine, detail
            )
            self._historian.event(self._machine, "writing latched off", detail)
        if outcome is Written.VERIFIED and not self._healthy:
            self._healthy = True
            log.info("machine %s: the result block is written again", self._machine)
        # A link that is down has been told by its device.
        if outcome in (Written.REFUSED, Written.MISMATCH) and self._healthy:
            self._healthy = False
            log.warning("machine %s: result block %s: %s", self._machine, outcome.value, detail)
