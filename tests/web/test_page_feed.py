"""The stream in virtual time: what changed and no more, everything after a reload, nobody waited for."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agent_process import INPUTS, small_bundle
from plc_line import device, machine

from edge_agent.build import Parts, build
from edge_agent.config import load
from edge_agent.core.tags import Columns, Quality, Reason
from edge_agent.historian import Historian
from edge_agent.observed import Observed
from edge_agent.web.feed import BEHIND, MOST_PAGES, Feed, TooManyPages


class Agent:
    """The parts of an agent that never runs; `feed` looks at them."""

    def __init__(self, config: Path, spawner: asyncio.TaskGroup) -> None:
        self._spawner, self._historian = spawner, Historian(config.parent)
        self._config = load(config)
        self.parts = self._built()
        self.feed = Feed(Observed(lambda: self.parts, self._historian, 0.0))
        spawner.create_task(self.feed.run())

    def _built(self) -> Parts:
        return build(self._config, self._historian, self._spawner)

    def reload(self) -> None:
        self.parts = self._built()

    def put(self, *values: float) -> None:
        quality = np.where(np.isnan(values), Quality.BAD, Quality.GOOD).astype(np.uint8)
        reason = np.where(np.isnan(values), Reason.NO_LINK, Reason.NONE).astype(np.uint8)
        columns = Columns(np.array(values), quality, reason, np.zeros(len(values), np.int64))
        self.parts.table.put(slice(0, len(values)), columns)


class _Done(Exception):
    pass


async def _done() -> None:
    raise _Done


@asynccontextmanager
async def watched(config: Path) -> AsyncIterator[Agent]:
    try:
        async with asyncio.TaskGroup() as group:
            yield Agent(config, group)
            group.create_task(_done())
    except* _Done:
        pass


@pytest.fixture
def config(dense_tflite: bytes, tmp_path: Path) -> Path:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    file = tmp_path / "c.toml"
    file.write_text(
        '[agent]\nstate = "state"\n' + device("a", 5020) + machine("m", "a", "a"), encoding="utf-8"
    )
    return file


async def told(page: AsyncIterator[bytes]) -> dict[str, Any]:
    """The next events of a page, by name; of a snapshot the values by tag row."""
    found = {}
    for block in (await anext(page)).decode().strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        data = json.loads(lines["data"])
        if lines["event"] == "snapshot":
            values = data["values"]
            data = dict(
                zip(values["rows"], zip(values["values"], values["quality"], strict=True), strict=True)
            )
        found[lines["event"]] = data
    return found


async def test_a_page_gets_everything_first_and_then_what_changed(config: Path) -> None:
    async with watched(config) as agent:
        agent.put(1, 2, 3, 4)
        async with aclosing(agent.feed.open()) as page:
            first = await told(page)
            assert [tag.split(".")[1] for tag in first["layout"]["tags"]] == list(INPUTS)
            assert {row: value for row, (value, _) in first["snapshot"].items()} == {
                0: 1,
                1: 2,
                2: 3,
                3: 4,
            }
            await told(page)  # the first of the second, which is all of it again
            assert await told(page) == {"snapshot": {}}
            agent.put(1, 7, float("nan"), 4)
            assert await told(page) == {"snapshot": {1: (7, Quality.GOOD), 2: (None, Quality.BAD)}}
            assert await told(page) == {"snapshot": {}}
            agent.reload()
            again = await told(page)
            assert set(again) == {"layout", "snapshot"}
            assert set(again["snapshot"]) == {0, 1, 2, 3}
        assert agent.feed.pages == 0


async def test_a_page_that_does_not_read_is_dropped_and_another_goes_on(config: Path) -> None:
    async with watched(config) as agent:
        slow, quick = agent.feed.open(), agent.feed.open()
        await told(slow)
        await told(quick)
        for _ in range(BEHIND + 2):
            await told(quick)
        assert agent.feed.pages == 1
        with pytest.raises(StopAsyncIteration):
            await told(slow)
        await told(quick)
        await quick.aclose()


async def test_there_are_only_so_many_pages_and_none_after_the_end(config: Path) -> None:
    async with watched(config) as agent:
        pages = [agent.feed.open() for _ in range(MOST_PAGES)]
        for page in pages:
            await told(page)
        with pytest.raises(TooManyPages):
            agent.feed.open()
        agent.feed.close()
        for page in pages:
            with pytest.raises(StopAsyncIteration):
                await told(page)
        with pytest.raises(TooManyPages):
            agent.feed.open()
