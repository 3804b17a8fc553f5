"""Tags tick by tick, read as the agent reads them, without machines: for `read --watch` and `record`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_agent.build import Parts, build
from edge_agent.config import Config
from edge_agent.core.tags import Columns, Tag
from edge_agent.historian import Historian

FIRST_ANSWERS = 5.0
"""Seconds that the first sample waits for devices that have not said anything yet."""
_LOOK = 0.01


@dataclass(frozen=True, slots=True)
class Tick:
    """The process image of one tick, before which `missed` ticks were skipped."""

    columns: Columns
    missed: int


def shortest(config: Config) -> float:
    """Return the shortest period of any tag, in seconds."""
    return min(float(scanned.scan) for device in config.devices for scanned in device.tags)


class Sampler:
    """The tags in the table's order, and their values tick by tick."""

    def __init__(self, parts: Parts, period: float) -> None:
        self._parts, self._period = parts, period
        tags = {scanned.tag.name: scanned.tag for device in parts.config.devices for scanned in device.tags}
        self.tags: list[Tag] = [tags[name] for name in parts.rows]

    @property
    def silent(self) -> list[str]:
        """The devices that do not answer, or have not yet."""
        return [device.name for device in self._parts.devices if not device.healthy]

    async def ticks(self) -> AsyncIterator[Tick]:
        """Yield at every tick, half a period after the scans. A missed one is skipped and counted."""
        loop = asyncio.get_running_loop()
        start, tick = loop.time() + self._period / 2, 0
        while True:
            due = max(tick, int((loop.time() - start) / self._period))
            missed, tick = due - tick, due
            await asyncio.sleep(start + tick * self._period - loop.time())
            yield Tick(self._parts.table.image_for_people(int(loop.time() * 1e9)), missed)
            tick += 1


@asynccontextmanager
async def sampling(config: Config, period: float) -> AsyncIterator[Sampler]:
    """Poll what `config` reads while the context lasts; `period` of the ticks in seconds."""
    async with asyncio.TaskGroup() as group:
        parts = build(config, Historian(Path(config.state)), group)
        running = [group.create_task(scan.run()) for scan in parts.scans]
        running += [group.create_task(device.run()) for device in parts.devices]
        try:
            await _first_answers(parts)
            yield Sampler(parts, period)
        finally:
            for task in running:
                task.cancel()
            for device in parts.devices:
                await device.close()


async def _first_answers(parts: Parts) -> None:
    for _ in range(int(FIRST_ANSWERS / _LOOK)):
        if all(device.healthy is not None for device in parts.devices):
            return
        await asyncio.sleep(_LOOK)
