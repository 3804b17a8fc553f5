"""The running agent as those see it who only look: the status socket, the page, the metrics."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from edge_agent import health
from edge_agent.build import Parts
from edge_agent.historian import Historian
from edge_agent.north.tellers import NOBODY, Tellers
from edge_agent.snapshot import snapshot
from edge_agent.status import Status


@dataclass(frozen=True, slots=True)
class Observed:
    """`parts` gives what the agent is made of now: a reload changes it. `started` is the loop's time."""

    parts: Callable[[], Parts]
    historian: Historian
    started: float
    north: Tellers = NOBODY

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return asyncio.get_running_loop().time() - self.started

    def status(self) -> Status:
        """Take the status."""
        return snapshot(self.parts(), self.historian, self.north, self.uptime)

    def hung(self) -> str:
        """Name what makes no progress, "" if everything does."""
        return health.hung(self.parts(), self.historian, asyncio.get_running_loop().time())

    def unready(self) -> list[str]:
        """Name what is not there yet: a first cycle of every scan, a proven model of every bundle."""
        parts = self.parts()
        scans = [f"scan every {scan.period:g} s" for scan in parts.scans if not scan.cycles]
        return scans + [f"model {model.name}" for model in parts.models if model.pid is None]
