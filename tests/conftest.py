"""What every test gets: virtual time unless it is marked `sockets`, and no task left behind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import async_solipsism
import hypothesis
import pytest
import pytest_asyncio

hypothesis.settings.register_profile("edge", deadline=None, derandomize=True)
hypothesis.settings.load_profile("edge")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("sockets"):
        return {"real": asyncio.new_event_loop}
    return {"virtual": async_solipsism.EventLoop}


@pytest_asyncio.fixture(autouse=True)
async def no_task_left(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
    assert not left, f"tasks left running: {left}"
