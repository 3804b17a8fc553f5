"""An alarm is on the disk before the PLC hears of it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from dense_model import limited
from memory_driver import MemoryDriver
from memory_site import Beating, FormulaModel, manifest, site

from edge_agent.core.manifest import Limits
from edge_agent.core.tags import Tag
from edge_agent.historian import FILE, Historian


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition is in a thread or in virtual time
            await asyncio.sleep(0.01)


def on(model: FormulaModel, score: float) -> None:
    model.answer = lambda rows: np.full((len(rows), 1), score)


class Witness(MemoryDriver):
    """A PLC that looks into the history, over a connection of its own, whenever it is written to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.seen: list[tuple[int, list[int]]] = []

    async def write(self, plan: tuple[Tag, ...], values: Sequence[float]) -> None:
        alarm = next(v for t, v in zip(plan, values, strict=True) if t.name.endswith(".alarm"))
        with sqlite3.connect(self._path) as connection:
            rows = connection.execute("SELECT active FROM alarm ORDER BY id").fetchall()
        connection.close()
        self.seen.append((int(alarm), [row[0] for row in rows]))
        await super().write(plan, values)


@pytest.fixture
async def historian(tmp_path: Path) -> AsyncIterator[Historian]:
    historian = Historian(tmp_path)
    historian.open()
    historian.event("t", "agent", "started")
    await until(lambda: historian.committed)
    yield historian
    historian.close()


@pytest.mark.sockets
async def test_an_alarm_is_on_the_disk_before_the_plc_hears_of_it_and_is_there_once(
    tmp_path: Path, historian: Historian
) -> None:
    async with site("ab", period=0.5) as s:
        witness = Witness(tmp_path / FILE)
        s.drivers["b"] = s.devices["b"]._driver = witness
        witness.values = {f"b.{n}": 1.0 for n in ("flow", "head", "speed", "power")}
        model = FormulaModel(manifest(period=0.5, outputs=limited(Limits(on=0.8, off=0.6))))
        on(model, 0.9)
        machine = s.machine("m", "a", "b", model, historian=historian)
        machine._heartbeat_every = 0.05
        s.start()
        Beating(s, machine, tmp_path)
        running = s.spawner.create_task(s.scan.run())
        await until(lambda: any(alarm for alarm, _ in witness.seen))
        await asyncio.sleep(0.8)
        on(model, 0.1)
        await until(lambda: not witness.seen[-1][0])
        s.scan.stop()
        await running
    assert len(witness.seen) > 6
    for alarm, rows in witness.seen:
        assert rows in ([], [1], [1, 0])
        assert bool(alarm) == (rows == [1]), (alarm, rows)
    assert witness.seen[-1] == (0, [1, 0])
