"""A candidate beside a machine's active model: the same inputs at the same ticks, and it writes nothing.

It never holds up the machine: a tick at which it still thinks is missed, and counted.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent import durable
from edge_agent.asking import Spawner
from edge_agent.config import schema
from edge_agent.core.comparison import Comparison, Tally, shortfalls
from edge_agent.core.pipeline import Pipeline, Verdict
from edge_agent.core.tags import Reason
from edge_agent.inference.host import ModelHost
from edge_agent.intake import Taken

log = logging.getLogger(__name__)

Floats32 = npt.NDArray[np.float32]

NEWS_EVERY = 60
LATEST = 1000
"""Answers whose times are kept."""


class Candidate:
    """Watches one machine. `folder` keeps its tally from one start to the next."""

    def __init__(
        self, config: schema.Machine, beside: schema.Beside, model: ModelHost, folder: Path, spawner: Spawner
    ) -> None:
        self._spawner = spawner
        self.bundle = bundle = beside.bundle
        self.model, self.wanted = model, config.promotion
        self._machine, self._path = config.name, tally_path(folder, config.name)
        self._columns = np.array(beside.columns, np.intp)
        self._pipeline = Pipeline(bundle.manifest, config.alarm.handling, "shadow", beside.constants)
        self._thinking: asyncio.Task[None] | None = None
        self._times = np.zeros(LATEST)
        self._answers = self._calls = 0
        self._ready = False
        tally = read_tally(self._path) or Tally(active="", candidate="")
        if (tally.active, tally.candidate) != (config.bundle.sha256, bundle.sha256):
            tally = Tally(active=config.bundle.sha256, candidate=bundle.sha256)
        self._comparison = Comparison(config.bundle.manifest.outputs, tally)

    @property
    def tally(self) -> Tally:
        """What was counted so far."""
        return self._comparison.tally

    @property
    def times(self) -> Sequence[float]:
        """Median and 99th percentile of its latest answers, in seconds; NaN before the first."""
        if not self._answers:
            return [float("nan")] * 2
        percentiles = np.percentile(self._times[: min(self._answers, LATEST)], (50, 99))
        return [float(time) for time in percentiles]

    def watch(self, taken: Taken, active: Verdict) -> None:
        """Take what the machine has taken at a tick; compare in a task of its own."""
        if self._thinking is not None and not self._thinking.done():
            self.tally.missed += active.valid
            return
        if taken.gated is not None:
            self._pipeline.pause(*taken.gated)
            return
        inputs = taken.inputs.take(self._columns)
        asked = self._pipeline.take(taken.tick, inputs, taken.now, taken.wall)
        if asked is None:
            self._comparison.step(active, self._pipeline.conclude(None, None, taken.now))
            return
        self._thinking = self._spawner.create_task(self._think(asked, active, taken.now))

    def news(self) -> str:
        """Say what was counted, once in `NEWS_EVERY` calls and when nothing is lacking any more; else ""."""
        ready = not shortfalls(self.tally, self.wanted)
        due = self._calls % NEWS_EVERY == 0 or (ready and not self._ready)
        self._calls, self._ready = self._calls + 1, ready
        return f"{self.tally.text()}; {'may' if ready else 'may not'} be promoted" if due else ""

    def keep(self) -> None:
        """Put the tally on the disk. A disk that does not take it costs no more than the count."""
        try:
            durable.replace(self._path, msgspec.json.encode(self.tally))
        except OSError as error:
            log.warning("machine %s: the candidate's count is not kept: %s", self._machine, error)

    async def _think(self, asked: Floats32, active: Verdict, now: int) -> None:
        started = time.perf_counter()  # the loop's own clock knows whole milliseconds under uvloop
        answer = await self.model.ask(asked[np.newaxis])
        if not isinstance(answer, Reason):
            self._times[self._answers % LATEST] = time.perf_counter() - started
            self._answers += 1
            answer = answer.reshape(-1)
        self._comparison.step(active, self._pipeline.conclude(asked, answer, now))


def tally_path(folder: Path, machine: str) -> Path:
    """Return where a machine's tally stands in the store."""
    return folder / f"candidate-{machine}.json"


def read_tally(path: Path) -> Tally | None:
    """Return a tally that was kept, None if there is none that can be read: then it begins anew."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Tally)
    except (OSError, msgspec.DecodeError):
        return None
