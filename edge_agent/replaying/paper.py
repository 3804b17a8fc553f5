"""What replay has in place of the world: devices and a history on paper."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from edge_agent.core.pipeline import Verdict
from edge_agent.core.tags import Columns, Grader, Tag
from edge_agent.drivers import LinkDown
from edge_agent.historian import Historian
from edge_agent.history.audit import Entry


class PaperDriver:
    """Takes what is written and gives it back when it is read. `start` are raw values by address."""

    def __init__(self, start: Mapping[object, float]) -> None:
        self.on_lost: Callable[[LinkDown], None] | None = None
        self._holds = dict(start)
        self._new: dict[object, float] = {}

    def plan_read(self, tags: Sequence[Tag]) -> tuple[list[object], Grader]:
        """Return where the tags stand, and what makes engineering values of them."""
        return [tag.address for tag in tags], Grader(list(tags))

    def plan_write(self, tags: Sequence[Tag]) -> Sequence[Tag]:
        """Keep the tags."""
        return tags

    async def connect(self) -> None:
        """There is nothing to connect to."""

    async def read(self, plan: tuple[list[object], Grader]) -> Columns:
        """Return what was written; BAD what never was."""
        addresses, grader = plan
        raw = np.array([self._holds.get(address, math.nan) for address in addresses])
        return grader.grade(raw, np.zeros(len(raw), np.uint8), 0)

    async def write(self, plan: Sequence[Tag], values: Sequence[float]) -> None:
        """Take raw values."""
        for tag, value in zip(plan, values, strict=True):
            self._holds[tag.address] = self._new[tag.address] = float(value)

    async def close(self) -> None:
        """Nothing is open."""

    def taken(self, tags: Sequence[Tag]) -> dict[str, float]:
        """Return, once, what was written of these tags since it was last asked, raw."""
        return {tag.name: self._new.pop(tag.address) for tag in tags if tag.address in self._new}


class PaperHistorian(Historian):
    """Keeps the latest result of each machine for whoever asks, and lets all else pass. Never opened."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.results: dict[str, tuple[int, Columns, Verdict]] = {}
        """Sequence, inputs and verdict by machine, of the cycle that is under way."""

    def result(
        self,
        machine: str,
        sequence: int,
        inputs: Columns,
        verdict: Verdict,
        now: int,  # noqa: ARG002
    ) -> None:
        """Keep one cycle's result."""
        self.results[machine] = sequence, inputs, verdict

    def event(self, subject: str, kind: str, text: str) -> None:
        """Let it pass: what it tells is in the rows."""

    async def alarm(self, machine: str, verdict: Verdict) -> None:
        """Let it pass: what it tells is in the rows."""

    async def audit(self, entry: Entry) -> bool:  # noqa: ARG002
        """Let the write happen, on paper."""
        return True
